// A prebuilt extension for JupyterLab and Notebook 7, written by hand: it registers the model and
// view that the kernel asks for, and loads jobs.js when the first one is shown.
(() => {
  const folder = document.currentScript.src;
  let shared;

  async function plugin() {
    const [{ get }] = Object.values(shared["@jupyter-widgets/base"]);
    const base = (await get())();
    const exports = async () => {
      if (!document.getElementById("asana-jobs-css")) {
        const href = new URL("./jobs.css", folder);
        document.head.append(Object.assign(document.createElement("link"),
          { id: "asana-jobs-css", rel: "stylesheet", href }));
      }
      const { default: makeParts } = await import(new URL("./jobs.js", folder));

      class JobsModel extends base.DOMWidgetModel {
        initialize(...options) {
          super.initialize(...options);
          this.parts = makeParts();
          this.parts.initialize({ model: this });
        }
      }

      class JobsView extends base.DOMWidgetView {
        render() {
          super.render();
          this.destroy = this.model.parts.render({ model: this.model, el: this.el });
        }
        remove() {
          this.destroy?.();
          return super.remove();
        }
      }
      return { JobsModel, JobsView };
    };
    return {
      id: "asana_jobs_pd:plugin",
      autoStart: true,
      requires: [base.IJupyterWidgetRegistry],
      activate: (_, registry) =>
        registry.registerWidget({ name: "asana_jobs_pd", version: "1.0.0", exports }),
    };
  }

  (window._JUPYTERLAB ??= {}).asana_jobs_pd = {
    init: (scope) => { shared = scope; },
    get: async () => {
      const made = await plugin();
      return () => ({ __esModule: true, default: [made] });
    },
  };
})();
