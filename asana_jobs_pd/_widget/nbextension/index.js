// The extension for front ends that load widgets with RequireJS: nbclassic, VS Code, older Voilà.
define(["module", "@jupyter-widgets/base"], (module, base) => {
  const folder = new URL(module.uri, document.baseURI);
  const loading = import(new URL("./jobs.js", folder));
  if (!document.getElementById("asana-jobs-css")) {
    const href = new URL("./jobs.css", folder);
    document.head.append(Object.assign(document.createElement("link"),
      { id: "asana-jobs-css", rel: "stylesheet", href }));
  }

  class JobsModel extends base.DOMWidgetModel {
    initialize(...options) {
      super.initialize(...options);
      this.parts = loading.then(({ default: makeParts }) => {
        const parts = makeParts();
        parts.initialize({ model: this });
        return parts;
      });
    }
  }

  class JobsView extends base.DOMWidgetView {
    async render() {
      super.render();
      const parts = await this.model.parts;
      this.destroy = parts.render({ model: this.model, el: this.el });
    }
    remove() {
      this.destroy?.();
      return super.remove();
    }
  }
  return { JobsModel, JobsView };
});
