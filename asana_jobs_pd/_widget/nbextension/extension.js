// Tells RequireJS where the widget is; VS Code reads the call, nbclassic makes it.
define(() => {
  "use strict";
  window["requirejs"].config({
    map: {
      "*": {
        "asana_jobs_pd": "nbextensions/asana_jobs_pd/index",
      },
    },
  });
  return { load_ipython_extension: () => {} };
});
