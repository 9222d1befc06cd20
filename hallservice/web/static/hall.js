// Comforts of the pages; everything works without them. Runs in Chromium 69 and later.
(function () {
  "use strict";
  var body = document.body, live = body.getAttribute("data-live");

  // The error summary is read first.
  var errors = document.getElementById("errors");
  if (errors) { errors.focus(); }

  // A form is sent once: a second click while the answer is on its way does nothing.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post") { return; }
    if (form.hasAttribute("data-sent")) { event.preventDefault(); return; }
    form.setAttribute("data-sent", "");
    window.setTimeout(function () { form.removeAttribute("data-sent"); }, 15000);
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { form.removeAttribute("data-sent"); });
  });

  // 20260302, 2026/3/2 and the like are the day 2026-03-02; whatever else was typed the server speaks about.
  document.addEventListener("change", function (event) {
    var at = event.target;
    if (!at.hasAttribute || !at.hasAttribute("data-day")) { return; }
    var said = at.value.normalize("NFKC").replace(/\s/g, "");
    var parts = /^(\d{4})(\d\d)(\d\d)$/.exec(said) || /^(\d{4})[-\/.年](\d{1,2})[-\/.月](\d{1,2})日?$/.exec(said);
    if (parts) { at.value = parts[1] + "-" + ("0" + parts[2]).slice(-2) + "-" + ("0" + parts[3]).slice(-2); }
  });

  // Print buttons, and elements that take the place of others without a reload.
  document.addEventListener("click", function (event) {
    var at = event.target.closest ? event.target.closest("[data-print]") : null;
    if (at) { event.preventDefault(); window.print(); }
  });

  // htmx comes once the page is shown, and only where something asks for it.
  function load(address, then) {
    if (!address) { return; }
    var script = document.createElement("script");
    script.src = address;
    script.onload = then;
    document.head.appendChild(script);
  }
  window.addEventListener("load", function () {
    if (!document.querySelector("[hx-get],[hx-post],[hx-ext],[data-hx-get],[data-hx-post],[data-hx-ext]")) { return; }
    load(body.getAttribute("data-htmx"), function () {
      if (document.querySelector("[hx-ext~=sse],[data-hx-ext~=sse]")) { load(body.getAttribute("data-sse")); }
    });
  });

  function show(counts) {
    document.querySelectorAll("[data-count]").forEach(function (place) {
      var n = counts[place.getAttribute("data-count")];
      if (typeof n !== "number") { return; }
      var text = place.hasAttribute("data-bare") ? String(n) : "（" + n + "）";
      if (place.textContent !== text) { place.textContent = text; }
      place.classList.toggle("z", n === 0);
    });
  }

  if (!live) { return; }

  // One stream for all tabs of this browser: the visible tab that leads has it, and tells the others. A browser
  // opens six lines to one server; a stream in every tab would leave none for pages.
  var me = String(Math.random()).slice(2), KEY = "tongban.leader", LEASE = 4000;
  var channel = window.BroadcastChannel ? new BroadcastChannel("tongban.counts") : null;
  var source = null, timer = 0, poll = 0, failures = 0;

  function stored() {
    try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch (e) { return {}; }
  }
  function take() {
    try { localStorage.setItem(KEY, JSON.stringify({ id: me, at: Date.now() })); } catch (e) { /* private mode */ }
  }
  function leads() {
    var held = stored();
    return held.id === me || !held.at || Math.abs(Date.now() - held.at) > LEASE;
  }
  function heard(text) {
    var counts = JSON.parse(text);
    show(counts);
    if (channel) { channel.postMessage(counts); }
  }
  function ask() {
    fetch(live + "/counts", { credentials: "same-origin", cache: "no-cache" }).then(function (answer) {
      if (answer.status === 401) { stop(); return null; }
      return answer.ok ? answer.text() : null;
    }).then(function (text) { if (text) { heard(text); } }).catch(function () { /* asked again soon */ });
  }
  function open() {
    if (source || poll) { return; }
    if (!window.EventSource || failures > 2) {
      ask();
      poll = window.setInterval(ask, 5000);
      return;
    }
    source = new EventSource(live);
    source.addEventListener("counts", function (event) { failures = 0; heard(event.data); });
    source.addEventListener("over", stop);
    source.onerror = function () {
      failures += 1;
      if (source && (failures > 2 || source.readyState === 2)) { failures = 3; close(); }
    };
  }
  function close() {
    if (source) { source.close(); source = null; }
    if (poll) { window.clearInterval(poll); poll = 0; }
  }
  function stop() {
    close();
    window.clearInterval(timer);
    if (stored().id === me) { try { localStorage.removeItem(KEY); } catch (e) { /* private mode */ } }
  }
  function look() {
    if (document.hidden) { return; }
    if (leads()) { take(); open(); } else { close(); }
  }
  function begin() {
    window.clearInterval(timer);
    look();
    timer = window.setInterval(look, 1500);
  }
  if (channel) { channel.onmessage = function (event) { show(event.data); }; }
  document.addEventListener("visibilitychange", function () { if (document.hidden) { stop(); } else { begin(); } });
  window.addEventListener("pagehide", stop);
  // After the first paint: what is read here of the disk would hold it up, and the page's numbers are fresh.
  window.addEventListener("load", function () { if (!document.hidden) { begin(); } });
})();
