// The live table of Asana jobs. The kernel sends rows as plain data; this script draws, sorts,
// filters and selects them. Everything from outside is set as text, never as markup.

// ---- Words, which must match those in Python (there is a test) ---------------------------------

/** The label of each state, in display order; `asana_jobs_pd._vocabulary` has the same. */
export const STATES = {
  succeeded: "succeeded",
  in_progress: "in progress",
  not_started: "not started",
  failed: "failed",
  unreadable: "unreadable",
  unknown: "unknown",
};
const ORDER = Object.keys(STATES);
const FINISHED = ["succeeded", "failed", "unreadable"];
const BAR_ORDER = ["succeeded", "failed", "unreadable", "in_progress"];
const COLUMNS = [
  ["state", "State", "Sort by state"],
  ["kind", "Kind", "Sort by kind"],
  ["name", "Created object", "Sort by the name of the created object"],
  ["gid", "Job", "Sort by job gid"],
  ["age", "Age", "Time since the job was created, or first seen if Asana does not say"],
  ["took", "Took", "Time from creation to completion"],
];
const TONES = new Set(["ok", "run", "wait", "bad", "dim"]);
const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
const DASH = "–";
const LINK_PATTERN = /^https:\/\/app\.asana\.com\/[a-z0-9/-]*\{gid\}[a-z0-9/-]*$/;

// ---- Limits ------------------------------------------------------------------------------------

const SPARE_ROWS = 4; // drawn above and below the visible rows
const VISIBLE_ROWS = 13;
const ANSWER_TIMEOUT = 1500; // ms after which the kernel counts as busy
const HELLO_INTERVAL = 4000;
const HELLOS = 6;
const SILENCE = 30_000; // ms without a message after which the kernel counts as gone
const HIGHLIGHT = 2500;
const CREATED = 1, READY = 2, NAMED = 4; // flags of a row

// ---- Pure functions ----------------------------------------------------------------------------

const CONTROLS =
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g;

/** Return any value as one line of text: a saved state may contain anything. */
const text = (value) => String(value ?? "").replace(CONTROLS, " ");

const number = (value) => (Number.isFinite(value) ? value : 0);

const list = (value) => (Array.isArray(value) ? value : []);

/** Return the page of an object; only pages of Asana's web app become links. */
function linkOf(pattern, gid) {
  if (!LINK_PATTERN.test(pattern) || !/^[0-9]{1,30}$/.test(gid)) return null;
  return pattern.replace("{gid}", gid);
}

/** Return the rows of a message; see `rows_message` in Python. */
export function decodeRows(message) {
  const looks = list(message?.looks), epoch = number(message?.epoch);
  const time = (seconds) => (Number.isFinite(seconds) ? epoch + seconds : null);
  return list(message?.rows).filter(Array.isArray).map((row) => {
    const [gid, look, since, ended, words, created, usual] = row;
    const [state, kind, note, flags, pattern] = list(looks[look]);
    const isNamed = Boolean(flags & NAMED && words);
    return {
      gid: text(gid),
      state: text(state),
      kind: text(kind),
      note: isNamed ? "" : text(words || note),
      name: isNamed ? text(words) : null,
      usual: text(usual),
      link: isNamed ? linkOf(pattern, created) : null,
      since: time(since),
      ended: time(ended),
      took: flags & CREATED && Number.isFinite(since) && Number.isFinite(ended)
        ? Math.max(0, ended - since) : null,
      created: Boolean(flags & CREATED),
      ready: Boolean(flags & READY),
    };
  });
}

/** Merge a message with changed rows into the one with all rows, so that it is saved as shown. */
export function mergeRows(all, changes) {
  const looks = new Map(all.looks.map((look, place) => [JSON.stringify(look), place]));
  const places = changes.looks.map((look) => {
    const key = JSON.stringify(look);
    if (!looks.has(key)) looks.set(key, all.looks.push(look) - 1);
    return looks.get(key);
  });
  const rows = new Map(all.rows.map((row, place) => [row[0], place]));
  for (const [gid, look, ...rest] of changes.rows) {
    const row = [gid, places[look], ...rest];
    if (rows.has(gid)) all.rows[rows.get(gid)] = row;
    else all.rows.push(row);
  }
  all.version = changes.version;
  all.at = changes.at;
}

/** Return a duration in its one or two largest units, rounded down, like `format_duration`. */
export function formatDuration(seconds) {
  if (seconds > 0 && seconds < 10) return `${Math.floor(seconds * 10) / 10} s`;
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit, smaller, smallerUnit] of UNITS) {
    if (whole < size) continue;
    const rest = whole < 20 * size ? Math.floor((whole % size) / smaller) : 0;
    return `${Math.floor(whole / size)} ${unit}` + (rest ? ` ${rest} ${smallerUnit}` : "");
  }
  return `${whole} s`;
}

/** Return an age in steps of ten seconds or a minute, so that it does not change all the time. */
export function formatAge(seconds) {
  if (seconds < 10) return "just now";
  return formatDuration(seconds - (seconds % (seconds < 60 ? 10 : 60)));
}

const formatNumber = (count) => count.toLocaleString("en-US");

export const formatCount = (count, noun) =>
  `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;

export function formatTime(seconds) {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return DASH;
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export const stateLabel = (state) =>
  Object.hasOwn(STATES, state) ? STATES[state] : state.replaceAll("_", " ").trim() || "unknown";

const knownState = (state) => (Object.hasOwn(STATES, state) ? state : "unknown");

/** Return the button's label, which counts the selected rows, or else the matching ones. */
export function downloadLabel(selected, ready, filtered) {
  if (selected) return `Download ${formatNumber(selected)} selected`;
  if (!ready) return "No exports to download";
  if (filtered) return `Download ${formatNumber(ready)} matching`;
  return ready === 1 ? "Download 1 completed" : `Download all ${formatNumber(ready)} completed`;
}

const collator = new Intl.Collator("en", { sensitivity: "base", numeric: true });
const byNumber = (a, b) => a - b;
const rankOf = (state) => ORDER.indexOf(state) + 1 || ORDER.length + 1;
const SORT_KEYS = {
  state: [(row) => rankOf(row.state), byNumber],
  kind: [(row) => row.kind || null, collator.compare],
  name: [(row) => row.name, collator.compare],
  gid: [(row) => row.gid, (a, b) => a.length - b.length || (a < b ? -1 : Number(a > b))],
  age: [(row) => row.since && -row.since, byNumber],
  took: [(row) => row.took, byNumber],
};

function isInState(row, state) {
  if (state === "unfinished") return !FINISHED.includes(row.state);
  if (state === "ready") return row.ready;
  return !state || row.state === state;
}

/** Return the rows that match a query, sorted by it; rows without a value come last. */
export function selectRows(rows, { text: words, state, column, descending }) {
  const terms = words.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = rows.filter((row) => {
    if (!isInState(row, state)) return false;
    row.searched ??= [row.gid, row.kind, row.name, stateLabel(row.state), row.note]
      .join("\n").toLowerCase();
    return terms.every((term) => row.searched.includes(term));
  });
  if (!column) return matching;
  const [keyOf, compare] = SORT_KEYS[column];
  const sign = descending ? -1 : 1;
  return matching
    .map((row) => [keyOf(row), row])
    .sort(([a], [b]) => (a === null || b === null
      ? Number(a === null) - Number(b === null)
      : sign * compare(a, b)))
    .map(([, row]) => row);
}

/** Return the states of rows with their counts, in display order. */
export function countStates(rows) {
  const counts = new Map();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
}

// ---- Elements ----------------------------------------------------------------------------------

const FOCUSABLE = new Set(["button", "input", "select", "a"]);

/** Return an element; its children are elements or texts, which are never read as markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  // JupyterLab looks for this on the focused element itself: otherwise D D deletes the cell.
  if (FOCUSABLE.has(tag) || attributes.tabindex === "0") made.dataset.lmSuppressShortcuts = "true";
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const mark = (state) =>
  element("i", { class: `aj-mark aj-is-${knownState(state)}`, "aria-hidden": "true" });

const tone = (name) => `aj-tone-${TONES.has(name) ? name : "dim"}`;

function setText(target, value) {
  if (target.textContent !== value) target.textContent = value;
}

let canvas;

/** Return a CSS color as bytes, however it is written: themes also use oklch() and color(). */
function colorBytes(color) {
  canvas ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
}

/** Return whether the background of an element is dark; works through shadow roots. */
function isOnDark(target) {
  for (let node = target.parentNode; node; node = node.parentNode ?? node.host) {
    if (!(node instanceof Element)) continue;
    const [red, green, blue, alpha] = colorBytes(getComputedStyle(node).backgroundColor);
    if (alpha > 127) return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return the URL of a file in the notebook's folder; null if the front end has none. */
async function fileUrl(model, path) {
  const parts = path.split("/");
  if (parts.some((part) => ["", ".", ".."].includes(part) || /[\\:]/.test(part))) return null;
  const relative = parts.map(encodeURIComponent).join("/");
  const resolver = model.widget_manager?.context?.urlResolver; // of JupyterLab and Notebook
  try {
    const url = resolver
      ? await resolver.getDownloadUrl(await resolver.resolveUrl(relative))
      : model.widget_manager?.notebook ? relative : null; // nbclassic
    return url && new URL(url, document.baseURI).origin === location.origin ? url : null;
  } catch {
    return null;
  }
}

// ---- The connection to the kernel, shared by all views of a model ------------------------------

class Connection {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.unanswered = new Map();
    this.clockSkew = 0; // seconds by which the kernel's clock is ahead of ours
    this.heardAt = 0;
    this.isSilent = model.comm_live === false; // a model from a saved notebook
    this.isLate = false;
    this.readAll();
    model.on("change:_rows", () => { this.readAll(); this.notify("rows"); });
    model.on("change:_status", () => { this.noteMessage(); this.notify("status"); });
    model.on("change:_transfer", () => { this.noteMessage(); this.notify("status"); });
    model.on("change:_selected", () => this.notify("rows"));
    model.on("msg:custom", (message) => this.receive(message));
    model.on("comm_live_update", () => this.checkKernel()); // when a kernel is restarted
    this.sayHello();
  }

  get(name) {
    const value = this.model.get(name);
    return value && typeof value === "object" ? value : {};
  }

  readAll() {
    const rows = this.get("_rows");
    const isTable = Array.isArray(rows.looks) && Array.isArray(rows.rows);
    this.table = isTable ? rows : { version: 0, epoch: 0, at: 0, looks: [], rows: [] };
    this.rows = decodeRows(this.table);
    this.places = new Map(this.rows.map((row, place) => [row.gid, place]));
    this.changedAt = new Map();
  }

  /** Say hello until it is answered; from the repetitions, Python sees that a page hears nothing. */
  sayHello(left = HELLOS, series = Math.random()) {
    const id = this.send("hello", { series });
    if (left > 1) {
      setTimeout(() => this.unanswered.has(id) && this.sayHello(left - 1, series), HELLO_INTERVAL);
    }
  }

  /** After a restart, an answer to a hello shows whether the kernel still has the widget. */
  checkKernel() {
    this.isSilent = true;
    this.notify("status");
    this.sayHello();
  }

  receive(message) {
    this.noteMessage();
    if (message.kind === "answer") {
      this.clockSkew = number(message.now) - Date.now() / 1000;
      clearTimeout(this.unanswered.get(message.id));
      this.unanswered.delete(message.id);
      this.isLate &&= this.unanswered.size > 0;
      if (message.version > this.table.version) this.send("all_rows"); // a message was lost
      this.notify("status");
    } else if (message.kind === "rows") {
      if (message.version === this.table.version + 1) this.mergeChanges(message);
      else if (message.version > this.table.version) this.send("all_rows");
    }
  }

  mergeChanges(message) {
    mergeRows(this.table, message);
    for (const row of decodeRows(message)) {
      const place = this.places.get(row.gid) ?? this.rows.length;
      const before = this.rows[place]?.state ?? "unknown";
      if (before !== "unknown" && before !== row.state) this.changedAt.set(row.gid, Date.now());
      this.places.set(row.gid, place);
      this.rows[place] = row;
    }
    this.notify("rows");
  }

  noteMessage() {
    this.heardAt = Date.now();
    this.isSilent = false;
  }

  /** Send a command; if it is not answered in time, the views say that the kernel is busy. */
  send(kind, details = {}) {
    const id = Math.random().toString(36).slice(2);
    const late = () => { this.isLate = kind !== "hello"; this.notify("status"); };
    this.unanswered.set(id, setTimeout(late, ANSWER_TIMEOUT));
    try {
      this.model.send({ kind, id, ...details });
    } catch {
      this.isSilent = true; // there is no comm
    }
    return id;
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  notify(what) {
    for (const view of this.views) view.schedule(what);
  }

  /** Notice that no message has come for a long time, although the kernel should have sent one. */
  checkSilence(isLive) {
    if (isLive && this.heardAt && !this.isSilent && Date.now() - this.heardAt > SILENCE) {
      this.isSilent = true;
      this.notify("status");
    }
  }
}

// ---- One view ----------------------------------------------------------------------------------

let views = 0;

class View {
  constructor(connection, el) {
    this.connection = connection;
    this.el = el;
    this.id = `aj-${++views}`;
    this.query = { text: "", state: "", column: "", descending: false };
    this.shown = [];
    this.lines = new Map(); // by gid: a row and its element
    this.scrollTop = 0;
    this.active = -1;
    this.scheduled = new Set();
    this.build();
    this.observe();
    this.drawRows();
    this.drawStatus();
  }

  build() {
    const send = (kind) => () => this.connection.send(kind);
    this.summary = element("div", { class: "aj-summary" });
    this.clock = element("div", { class: "aj-clock" });
    this.bar = element("div", { class: "aj-bar", role: "img" });
    this.notice = element("div", { role: "status", class: "aj-notice", hidden: true });
    this.filter = element("input", {
      type: "text", class: "aj-filter", placeholder: "Filter by name, kind or gid",
      "aria-label": "Filter the jobs", spellcheck: "false", autocomplete: "off",
      oninput: () => this.setQuery({ text: this.filter.value }),
    });
    this.stateFilter = element("select", {
      "aria-label": "State", onchange: () => this.setQuery({ state: this.stateFilter.value }) });
    this.refresh = this.button(send("refresh"));
    this.pause = this.button(() => this.connection.send(this.isPaused ? "resume" : "pause"));
    this.download = this.button(() => this.connection.send("download", {
      gids: this.downloads().map((row) => row.gid), dest: this.dest.value }));
    this.download.className = "aj-primary";
    this.dest = element("input", {
      type: "text", class: "aj-dest", "aria-label": "Folder for the files", spellcheck: "false",
      oninput: () => { this.dest.title = this.dest.value; }, // it may be longer than the box
      onchange: () => this.connection.set("_dest", this.dest.value) });
    this.dest.value = this.dest.title = text(this.connection.model.get("_dest"));
    this.cancel = this.button(send("cancel"));
    this.load = this.button(send("load"));
    this.range = element("span", { class: "aj-range", "aria-live": "polite" });
    this.root = element("section", { class: "aj", "aria-label": "Asana jobs",
      onkeydown: (event) => event.stopPropagation() }, // nbclassic listens further up
      element("div", { class: "aj-top" }, this.summary, this.clock), this.bar, this.notice,
      element("div", { class: "aj-tools" }, this.filter, this.stateFilter, this.refresh, this.pause),
      this.buildGrid(), this.buildTransfer(),
      element("div", { class: "aj-foot" }, this.download,
        element("span", { class: "aj-to" }, "to", this.dest), this.cancel, this.load, this.range));
    this.el.classList.add("aj-host");
    this.el.append(this.root);
  }

  buildGrid() {
    this.selectAll = element("input", { type: "checkbox",
      "aria-label": "Select all exports that are listed",
      onchange: () => this.select(this.shown.filter((row) => row.ready), this.selectAll.checked) });
    this.heads = COLUMNS.map(([key, title, hint]) =>
      element("div", { role: "columnheader", class: `aj-col-${key}`, "aria-sort": "none" },
        element("button", { type: "button", title: hint, onclick: () => this.sort(key) }, title)));
    this.header = element("div", { role: "row", class: "aj-row aj-header", "aria-rowindex": "1" },
      element("div", { role: "columnheader", class: "aj-col-check" }, this.selectAll), ...this.heads);
    this.body = element("div", { role: "rowgroup", class: "aj-body" });
    this.empty = element("div", { class: "aj-empty", hidden: true });
    this.grid = element("div", { class: "aj-grid", role: "grid", tabindex: "0", "aria-label": "Jobs",
      "aria-multiselectable": "true", "aria-colcount": COLUMNS.length + 1,
      onscroll: () => { this.scrollTop = this.grid.scrollTop; this.drawWindow(); },
      onkeydown: (event) => event.target === this.grid && this.handleKey(event),
      onfocus: () => this.active < 0 && this.shown.length && this.activate(0),
    }, element("div", { role: "rowgroup", class: "aj-sticky" }, this.header), this.body);
    return element("div", { class: "aj-frame" }, this.grid, this.empty);
  }

  buildTransfer() {
    this.progress = element("div");
    this.result = element("div", { role: "status" });
    this.links = element("div", { class: "aj-links" });
    this.transfer = element("div", { class: "aj-transfer", hidden: true },
      this.progress, this.result, this.links);
    return this.transfer;
  }

  button(onclick, words = "") {
    return element("button", { type: "button", onclick }, words);
  }

  observe() {
    const setTheme = () => { this.root.dataset.theme = isOnDark(this.root) ? "dark" : "light"; };
    const themeChanged = () => { setTheme(); setTimeout(setTheme, 400); }; // after its transition
    this.themes = new MutationObserver(themeChanged);
    for (const node of [document.documentElement, document.body]) {
      this.themes.observe(node, { attributes: true });
    }
    this.classes = new MutationObserver(() => this.schedule("status")); // Jupyter marks lost views
    this.classes.observe(this.el, { attributes: true, attributeFilter: ["class"] });
    this.sizes = new ResizeObserver(() => { // also when a cell comes back into the page
      setTheme();
      if (this.grid.clientHeight) this.grid.scrollTop = this.scrollTop;
      this.rowHeight = null;
      this.drawWindow();
    });
    this.sizes.observe(this.grid);
    themeChanged();
    this.timer = setInterval(() => this.tick(), 1000);
  }

  destroy() {
    clearInterval(this.timer);
    for (const observer of [this.themes, this.classes, this.sizes]) observer.disconnect();
    this.connection.views.delete(this);
    this.root.remove();
  }

  // Drawing

  /** Draw once, after all current changes. */
  schedule(what) {
    this.scheduled.add(what);
    if (this.scheduled.size > 1) return;
    queueMicrotask(() => {
      const rows = this.scheduled.has("rows");
      this.scheduled.clear();
      if (rows) this.drawRows();
      this.drawStatus();
    });
  }

  get isPaused() {
    return this.connection.get("_status").state === "paused";
  }

  /** The gids that are selected. */
  get selected() {
    return new Set(list(this.connection.model.get("_selected")));
  }

  get isLost() {
    return this.connection.isSilent || this.el.classList.contains("jupyter-widgets-disconnected");
  }

  /** The kernel's time; if the connection is lost, time stands still. */
  now() {
    return this.isLost ? this.connection.table.at : Date.now() / 1000 + this.connection.clockSkew;
  }

  drawRows() {
    const { rows } = this.connection;
    this.shown = selectRows(rows, this.query);
    this.counts = countStates(rows);
    this.whenChanged("counts", this.counts, () => this.drawStateFilter()); // or the list would close
    this.active = Math.min(this.active, this.shown.length - 1);
    this.grid.setAttribute("aria-rowcount", this.shown.length + 1);
    this.grid.classList.toggle("aj-few", this.shown.length <= VISIBLE_ROWS);
    this.grid.style.setProperty("--aj-rows", Math.max(1, this.shown.length));
    this.empty.hidden = this.shown.length > 0;
    if (!this.shown.length) this.drawEmpty();
    this.drawWindow();
  }

  drawEmpty() {
    if (!this.connection.rows.length) return setText(this.empty, "No jobs.");
    this.empty.replaceChildren("No matching jobs. ", this.button(() => {
      this.filter.value = this.stateFilter.value = "";
      this.setQuery({ text: "", state: "" });
      this.filter.focus();
    }, "Clear the filter"), " to show all.");
  }

  drawStateFilter() {
    const { rows } = this.connection;
    const choice = (value, label, count) =>
      element("option", { value }, count === null ? label : `${label} (${formatNumber(count)})`);
    const count = (state) => rows.filter((row) => isInState(row, state)).length;
    const capital = (label) => label[0].toUpperCase() + label.slice(1);
    this.stateFilter.replaceChildren(choice("", "All states", null),
      choice("unfinished", "Unfinished", count("unfinished")),
      ...this.counts.map(([state, n]) => choice(state, capital(stateLabel(state)), n)),
      choice("ready", "Ready to download", count("ready")));
    this.stateFilter.value = this.query.state;
    if (this.stateFilter.value !== this.query.state) { // no job is in that state any more
      this.stateFilter.append(choice(this.query.state, capital(stateLabel(this.query.state)), 0));
      this.stateFilter.value = this.query.state;
    }
  }

  drawStatus() {
    const status = this.connection.get("_status"), transfer = this.connection.get("_transfer");
    const lost = this.isLost;
    if (this.root.classList.contains("aj-lost") !== lost) {
      this.root.classList.toggle("aj-lost", lost);
      this.drawWindow(); // to disable or enable the checkboxes
    }
    this.drawSummary(status, lost);
    this.drawNotice(status, lost);
    this.drawButtons(status, transfer, lost);
    this.drawTransfer(transfer);
    this.tick();
  }

  drawButtons(status, transfer, lost) {
    const busy = Boolean(transfer.busy), downloading = transfer.busy === "downloading";
    const retry = ["stopped", "unauthorized", "idle"].includes(status.state);
    const targets = this.downloads(), selected = this.selectedRows();
    const shown = new Set(selected.length ? this.shown : []);
    const hidden = selected.filter((row) => !shown.has(row)).length;
    const filtered = Boolean(this.query.text.trim() || this.query.state);
    const draw = (button, disabled, words, title) => {
      button.disabled = lost || disabled;
      setText(button, words);
      button.title = title;
    };
    draw(this.refresh, status.state === "done", retry ? "Try again" : "Refresh",
      retry ? "Start polling again" : "Fetch all unfinished jobs now");
    draw(this.pause, status.ended || status.state === "idle", this.isPaused ? "Resume" : "Pause",
      this.isPaused ? "Resume polling" : "Send no requests until you resume");
    draw(this.download, busy || !targets.length,
      downloadLabel(selected.length, targets.length, filtered),
      hidden ? `${formatCount(hidden, "selected job")} hidden by the filter` : "");
    draw(this.cancel, false, "Cancel", "Stop the downloads; they can be resumed");
    draw(this.load, busy, transfer.busy === "loading" ? "Loading…" : "Load",
      "Read the files into widget.data");
    this.dest.disabled = lost || downloading;
    this.cancel.hidden = !downloading;
    this.load.hidden = downloading || !list(transfer.links).length;
  }

  drawSummary(status, lost) {
    const total = this.connection.rows.length;
    const title = lost ? "Not connected" : text(status.title);
    this.summary.replaceChildren(
      element("span", { class: "aj-title" }, formatCount(total, "job")),
      ...this.counts.map(([state, count]) =>
        element("span", { class: `aj-chip aj-is-${knownState(state)}` }, mark(state),
          `${formatNumber(count)} ${stateLabel(state)}`)),
      ...(title
        ? [element("span", { class: `aj-badge ${tone(lost ? "bad" : status.tone)}` }, title)] : []));
    const counts = new Map(this.counts);
    const parts = BAR_ORDER.filter((state) => counts.has(state))
      .map((state) => [`aj-is-${state}`, counts.get(state)]);
    const rest = total - parts.reduce((sum, [, count]) => sum + count, 0);
    if (rest) parts.push(["aj-rest", rest]);
    this.bar.replaceChildren(...parts.map(([name, count]) =>
      element("i", { class: name, style: `flex-grow:${count}` })));
    const words = this.counts.map(([state, n]) => `${formatNumber(n)} ${stateLabel(state)}`);
    this.bar.setAttribute("aria-label", `Of ${formatCount(total, "job")}: ${words.join(", ")}`);
  }

  drawNotice(status, lost) {
    let words = text(status.text), look = status.tone;
    if (lost) {
      words = "The kernel that watched these jobs is gone. This table is as of "
        + `${formatTime(this.connection.table.at)}. Run the cell again to continue.`;
      look = "bad";
    } else if (this.connection.isLate) {
      words = "The kernel is busy running a cell. Your request is handled when the cell ends.";
      look = "wait";
    }
    this.notice.hidden = !words;
    setText(this.notice, words);
    this.notice.className = `aj-notice ${tone(look)}`;
  }

  drawTransfer(transfer) {
    const lines = list(transfer.lines).filter(Array.isArray);
    const messages = list(transfer.messages).filter(Array.isArray);
    if (transfer.busy === "downloading" && !lines.length) messages.push(["dim", "Starting…"]);
    this.transfer.hidden = !lines.length && !messages.length;
    while (this.progress.children.length > lines.length) this.progress.lastChild.remove();
    lines.forEach((line, place) => this.drawProgress(line, place));
    this.whenChanged("result", messages, () => this.result.replaceChildren(
      ...messages.map(([look, words]) => element("div", { class: `aj-message ${tone(look)}` },
        { ok: mark("succeeded"), bad: mark("failed") }[look], element("span", {}, text(words))))));
    const links = list(transfer.links).filter(Array.isArray);
    this.whenChanged("links", links, () => this.links.replaceChildren(
      ...links.map(([words, path]) => this.fileLink(text(words), text(path)))));
  }

  drawProgress([label, words, fraction, state, title], place) {
    const line = this.progress.children[place] ?? this.progress.appendChild(
      element("div", { class: "aj-progress" },
        element("span"), element("progress", { max: "1" }), element("span")));
    const [name, bar, detail] = line.children;
    setText(name, text(label));
    name.title = text(title) || text(label);
    bar.value = Math.max(0, Math.min(1, number(fraction)));
    bar.setAttribute("aria-label", text(label));
    line.dataset.state = state;
    setText(detail, text(words));
    detail.title = text(words);
  }

  fileLink(words, path) {
    const shown = element("span", { class: "aj-file", title: words }, words);
    fileUrl(this.connection.model, path).then((href) => {
      if (href) shown.replaceChildren(element("a", { href, download: true }, words));
    });
    return shown;
  }

  /** Draw only if the value has changed: otherwise live regions would speak, and lists close. */
  whenChanged(name, value, draw) {
    const key = JSON.stringify(value);
    if (this[`${name}Drawn`] === key) return;
    this[`${name}Drawn`] = key;
    draw();
  }

  /** Draw the visible rows and a few more; the body is as high as all rows would be. */
  drawWindow() {
    this.rowHeight ??=
      parseFloat(getComputedStyle(this.grid).getPropertyValue("--aj-row-height")) || 31;
    const height = this.rowHeight, room = this.room();
    const first = Math.max(0, Math.floor(this.scrollTop / height) - SPARE_ROWS);
    const end = Math.ceil((this.scrollTop + room) / height) + SPARE_ROWS;
    const rows = this.shown.slice(first, end);
    const { selected } = this;
    const focused = this.body.contains(this.root.getRootNode().activeElement);
    const lines = new Map();
    rows.forEach((row, index) => {
      const place = first + index;
      let line = this.lines.get(row.gid);
      if (line?.row !== row) line = { row, element: this.drawLine(row) };
      this.placeLine(line, place, selected.has(row.gid));
      if (this.body.children[index] !== line.element) {
        this.body.insertBefore(line.element, this.body.children[index] ?? null);
      }
      lines.set(row.gid, line);
    });
    while (this.body.children.length > rows.length) this.body.lastChild.remove();
    this.lines = lines;
    this.body.style.height = `${this.shown.length * height}px`;
    if (focused && !this.body.contains(this.root.getRootNode().activeElement)) {
      this.grid.focus({ preventScroll: true }); // or the next key would go to the notebook
    }
    this.drawSelectAll(selected);
    this.drawRange(height, room);
    this.drawActive();
  }

  drawLine(row) {
    const cell = (key, title, ...children) => element("div", { role: "gridcell", title,
      class: `aj-col-${key}${children[0] === DASH ? " aj-none" : ""}` }, ...children);
    const dim = (words) => element("span", { class: "aj-dim" }, words);
    const box = row.ready ? element("input", {
      type: "checkbox", tabindex: "-1", "aria-label": `Select ${row.kind} ${row.gid}`,
      onmousedown: (event) => { // the focus stays on the grid: the row may be drawn again
        event.preventDefault();
        this.grid.focus({ preventScroll: true });
      },
      onchange: (event) => this.select([row], event.target.checked) }) : null;
    const name = row.link
      ? element("a", { href: row.link, target: "_blank", rel: "noopener noreferrer",
        tabindex: "-1" }, row.name)
      : row.name;
    const object = row.name
      ? [name, row.usual ? dim(` · ${row.usual}`) : null]
      : [dim(row.usual || row.note || DASH)];
    const words = [row.name ?? row.note, row.usual].filter(Boolean).join(" · ");
    const since = row.since && `${row.created ? "Created" : "First seen"} ${formatTime(row.since)}`;
    const completed = row.ended && `Completed ${formatTime(row.ended)}`;
    const line = element("div", { role: "row", class: "aj-row",
      onmousedown: () => this.activate(Number(line.dataset.place), false),
      onanimationend: () => line.classList.remove("aj-changed") },
      cell("check", null, box),
      cell("state", stateLabel(row.state), element("span", { class: `aj-is-${knownState(row.state)}` },
        mark(row.state), stateLabel(row.state))),
      cell("kind", row.kind, row.kind || DASH),
      cell("name", words, ...object),
      cell("gid", row.gid, row.gid),
      cell("age", since, this.ageOf(row)),
      cell("took", completed, row.took === null ? DASH : formatDuration(row.took)));
    if (Date.now() - (this.connection.changedAt.get(row.gid) ?? 0) < HIGHLIGHT) {
      line.classList.add("aj-changed");
    }
    return line;
  }

  placeLine({ row, element: line }, place, isSelected) {
    line.id = `${this.id}-${place}`;
    line.dataset.place = place;
    line.style.top = `${place * this.rowHeight}px`;
    line.setAttribute("aria-rowindex", place + 2);
    const box = line.querySelector("input");
    if (box) {
      box.checked = isSelected;
      box.disabled = this.isLost;
      line.setAttribute("aria-selected", isSelected);
    }
  }

  drawSelectAll(selected) {
    const ready = this.shown.filter((row) => row.ready);
    const count = ready.filter((row) => selected.has(row.gid)).length;
    this.selectAll.checked = ready.length > 0 && count === ready.length;
    this.selectAll.indeterminate = count > 0 && count < ready.length;
    this.selectAll.disabled = !ready.length || this.isLost;
  }

  drawRange(height, room) {
    const total = this.connection.rows.length, count = this.shown.length;
    const first = Math.min(count, Math.floor(this.scrollTop / height) + 1);
    const last = Math.min(count, Math.max(first, Math.floor((this.scrollTop + room) / height)));
    const all = count === total ? formatNumber(count)
      : `${formatNumber(count)} matching, ${formatNumber(total)} in all`;
    setText(this.range, count ? `${formatNumber(first)}–${formatNumber(last)} of ${all}` : all);
  }

  drawActive() {
    const id = this.active >= 0 ? `${this.id}-${this.active}` : "";
    for (const line of this.body.children) line.classList.toggle("aj-active", line.id === id);
    if (id) this.grid.setAttribute("aria-activedescendant", id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  ageOf(row) {
    return row.since ? formatAge(this.now() - row.since) : DASH;
  }

  /** Update what depends on time: ages, the countdown, and whether the kernel is still there. */
  tick() {
    const status = this.connection.get("_status");
    const isLive = !status.ended && !this.isPaused;
    this.connection.checkSilence(isLive);
    const parts = [];
    if (isLive && !this.isLost && Number.isFinite(status.due)) {
      const left = Math.round(status.due - this.now());
      parts.push(left > 1 ? `next check in ${formatDuration(left)}` : "checking now");
    }
    if (status.budget && !this.isLost) parts.push(text(status.budget));
    setText(this.clock, parts.join(" · "));
    if (!this.root.offsetParent) return; // not visible
    for (const { row, element: line } of this.lines.values()) {
      setText(line.querySelector(".aj-col-age"), this.ageOf(row));
    }
  }

  // User actions

  /** The height of the visible rows, below the header. */
  room() {
    return (this.grid.clientHeight || 420) - this.header.offsetHeight;
  }

  setQuery(changes) {
    Object.assign(this.query, changes);
    this.grid.scrollTop = this.scrollTop = 0;
    this.active = -1;
    this.schedule("rows");
  }

  sort(key) {
    const { column, descending } = this.query;
    const again = column === key;
    this.setQuery(again && descending
      ? { column: "", descending: false } : { column: key, descending: again });
    this.heads.forEach((head, place) => {
      const order = this.query.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", COLUMNS[place][0] === this.query.column ? order : "none");
    });
  }

  selectedRows() {
    const { selected } = this;
    return selected.size ? this.connection.rows.filter((row) => selected.has(row.gid)) : [];
  }

  /** The rows that the download button takes: the selected ones, or else the matching ones. */
  downloads() {
    const selected = this.selectedRows();
    return (selected.length ? selected : this.shown).filter((row) => row.ready);
  }

  select(rows, isOn) {
    const { selected } = this;
    for (const { gid } of rows) isOn ? selected.add(gid) : selected.delete(gid);
    this.connection.set("_selected", [...selected]);
  }

  handleKey(event) {
    const page = Math.max(1, Math.floor(this.room() / this.rowHeight) - 1);
    const targets = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, Home: 0,
      End: this.shown.length - 1, PageDown: this.active + page, PageUp: this.active - page };
    const row = this.shown[this.active];
    if (event.key in targets) this.activate(targets[event.key]);
    else if (event.key === " ") this.toggle(row);
    else if (event.key === "Enter" && row?.link) {
      window.open(row.link, "_blank", "noopener,noreferrer");
    } else if (event.key === "Enter") this.toggle(row);
    else return;
    event.preventDefault();
  }

  toggle(row) {
    if (!row?.ready || this.isLost) return;
    this.select([row], !this.selected.has(row.gid));
  }

  /** Make a row the active one, on which keys act. */
  activate(place, mayScroll = true) {
    this.active = Math.max(0, Math.min(this.shown.length - 1, place));
    const top = this.active * this.rowHeight, bottom = top + this.rowHeight - this.room();
    if (mayScroll && (top < this.scrollTop || bottom > this.scrollTop)) {
      this.grid.scrollTop = this.scrollTop = top < this.scrollTop ? top : bottom;
    }
    this.drawWindow();
  }
}

/** The entry point for anywidget; our own extensions wrap it as an ipywidgets model and view. */
export default () => {
  let connection;
  return {
    initialize({ model }) {
      connection = new Connection(model);
    },
    render({ model, el }) {
      connection ??= new Connection(model);
      const view = new View(connection, el);
      connection.views.add(view);
      return () => view.destroy();
    },
  };
};
