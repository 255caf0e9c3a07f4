// Tells RequireJS where the widget is; nbclassic runs this call, VS Code only parses it.
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
