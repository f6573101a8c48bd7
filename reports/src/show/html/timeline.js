"use strict";
// Draws the run that the page carries: what is looked at, and no more.
(() => {
  const run = JSON.parse(document.getElementById("run").textContent);
  const at = (id) => document.getElementById(id);
  const drawing = at("drawing"), overview = at("overview"), moment = at("moment"), story = at("story"), tools = at("tools");
  const NAMES = 92, LANE = 58, BAND = 18, TOP = 30, FOOT = 24, WAYS_MAX = 220, CROWD = 60, APART = 16, MARKS_MAX = 400;
  const failed = run.rows.filter((row) => row.fails).map((row) => row.ms);
  const counted = run.rows.filter((row) => row.violations.length && !row.fails).map((row) => row.ms);
  const seconds = (ms) => (ms / 1000).toFixed(3) + " s";
  const short = (ms) => (ms / 1000).toFixed(1) + " s";
  const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const clamp = (value, least, most) => Math.min(Math.max(value, least), Math.max(least, most));

  // Files: those that a violation or a lost change is about are looked at, the others are quiet where there are many.
  const files = [...new Set(run.travels.map((travel) => travel.path))].sort();
  const told = run.rows.flatMap((row) => row.violations).join(" ");
  const lost = new Set(run.travels.filter((travel) => travel.lost).map((travel) => travel.path));
  const loud = files.filter((file) => lost.has(file) || told.includes(file.split("/").pop()));
  const folds = files.length > 6 || run.travels.length > WAYS_MAX;
  const shownFiles = new Set(folds && loud.length ? loud : folds ? files.slice(0, 4) : files);
  const colour = new Map();
  [...loud, ...files].forEach((file) => { if (!colour.has(file)) colour.set(file, colour.size % 6); });
  const shownLanes = new Set(run.lanes.map((lane) => lane.replica));
  const travels = run.travels.map((travel, index) => ({ ...travel, index, from: travel.written_ms, to: Math.max(travel.taken_ms, ...travel.arrivals.map((arrival) => arrival[1])) }));

  // What keys step through: every moment that is told, marked or at which something travels.
  const steps = [...new Set([...run.rows.map((row) => row.ms), ...run.marks.map((mark) => mark.ms)])].sort((a, b) => a - b);
  const whole = [0, run.end_ms];
  let view = whole.slice(), now = failed[0] ?? counted[0] ?? 0, chosen = null;
  if (run.end_ms > 60000 && failed.length) view = around(failed[0]);

  // What led to a violation and what became of it: the versions that were on their way, and how long it lasted.
  function around(ms) {
    let from = ms - 15000, to = ms + 10000;
    for (const travel of travels) {
      if (!loud.includes(travel.path) || travel.from > ms + 1 || travel.to < ms - 15000) continue;
      from = Math.min(from, travel.from);
      to = Math.max(to, travel.taken_ms);
    }
    for (const [begins, ends] of run.overlaps) if (begins <= ms && ends >= ms) { from = Math.min(from, begins); to = Math.max(to, ends); }
    from = Math.max(from, ms - 180000);
    to = Math.min(to, ms + 180000);
    const room = (to - from) * 0.12;
    return [Math.max(0, from - room), Math.min(run.end_ms, to + room)];
  }

  const lanes = () => run.lanes.filter((lane) => shownLanes.has(lane.replica));
  const laneOf = () => new Map(lanes().map((lane, index) => [lane.replica, TOP + LANE * (index + 1)]));
  const width = () => Math.max(drawing.clientWidth || 320, 200);
  const x = (ms) => NAMES + (ms - view[0]) / Math.max(view[1] - view[0], 1) * (width() - NAMES - 8);
  const msAt = (px) => view[0] + (px - NAMES) / (width() - NAMES - 8) * (view[1] - view[0]);
  const r = (value) => Math.round(value * 10) / 10;
  const seen = (from, to) => to >= view[0] && from <= view[1];

  function ticks() {
    const span = (view[1] - view[0]) / 1000, most = Math.max(2, Math.floor((width() - NAMES) / 80));
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200, 14400, 43200, 86400].find((step) => span / step <= most) ?? span / most;
    const out = [];
    for (let s = Math.ceil(view[0] / 1000 / step) * step; s * 1000 <= view[1]; s += step) out.push(Math.round(s * 1000));
    return out;
  }

  function head(px, py, dx, dy, kind) {
    const length = Math.hypot(dx, dy) || 1, ux = dx / length, uy = dy / length;
    const point = (along, across) => r(px - ux * along - uy * across) + " " + r(py - uy * along + ux * across);
    return `<path class="head ${kind}" d="M${r(px)} ${r(py)}L${point(8, 4)}L${point(8, -4)}Z"/>`;
  }

  function arrow(x1, y1, x2, y2, kind) {
    return `<path class="hit" d="M${r(x1)} ${r(y1)}L${r(x2)} ${r(y2)}"/><path class="way ${kind}" d="M${r(x1)} ${r(y1)}L${r(x2)} ${r(y2)}"/>` + head(x2, y2, x2 - x1, y2 - y1, kind);
  }

  const nameOf = (travel) => travel.lost ? "the version of " + travel.path + " that lost" : travel.path + (travel.removed ? " removed" : " v" + travel.version);
  function tellTravel(travel) {
    const came = travel.arrivals.map((arrival) => `${arrival[0]} has it at ${seconds(arrival[1])}`).join(", ");
    const end = travel.lost ? `meets another's at ${seconds(travel.taken_ms)} and is ${travel.lost}` : `in the cloud at ${seconds(travel.taken_ms)}` + (came ? "; " + came : "; it reaches nobody else in this run");
    return `${nameOf(travel)}: written by ${travel.author} at ${seconds(travel.written_ms)}, ${end}`;
  }

  function drawTravel(travel, y, label) {
    const kind = "f" + colour.get(travel.path) + (travel.lost ? " lost" : loud.length && !loud.includes(travel.path) ? " soft" : "");
    const from = y.get(travel.author), cloud = x(travel.taken_ms);
    let out = "";
    if (from !== undefined) out += arrow(x(travel.written_ms), from - BAND / 2, cloud, TOP + 4, kind);
    if (travel.lost) out += `<text class="cross" x="${r(cloud)}" y="${TOP + 5}" text-anchor="middle">✗</text>`;
    for (const [replica, ms] of travel.arrivals) {
      const to = y.get(replica);
      if (to !== undefined && replica !== travel.author) out += arrow(cloud, TOP + 4, x(ms), to - BAND / 2, kind);
    }
    if (label) out += `<text class="label ${travel.lost ? "lost" : ""}" x="${r(cloud + 6)}" y="${TOP - 8}">${escape(travel.lost ? travel.author + "'s " + travel.path + " lost" : travel.path)}</text>`;
    return `<g class="travel ${travel.lost ? "lost" : ""} ${chosen === travel.index ? "chosen" : ""}" data-travel="${travel.index}">${out}<title>${escape(tellTravel(travel))}</title></g>`;
  }

  function drawWays(y) {
    const here = travels.filter((travel) => seen(travel.from, travel.to));
    const open = here.filter((travel) => shownFiles.has(travel.path));
    // Of too many the lost ones and those next to what is looked at are drawn, the others are dots in the cloud's lane.
    const close = (travel) => (travel.lost ? 0 : 1e12) + Math.abs(travel.taken_ms - now);
    const drawn = new Set(open.length > CROWD ? [] : open), places = new Set();
    if (open.length > CROWD) for (const travel of [...open].sort((a, b) => close(a) - close(b))) {
      const place = Math.round(x(travel.taken_ms) / APART);
      if (places.has(place) && !travel.lost || drawn.size >= WAYS_MAX) continue;
      places.add(place);
      drawn.add(travel);
    }
    const dots = new Map();
    for (const travel of here) {
      const px = Math.round(x(travel.taken_ms));
      if (!drawn.has(travel) && px > NAMES) dots.set(px, travel);
    }
    let out = "", taken = -1e9;
    for (const [px, travel] of dots) out += `<rect class="dot" x="${px}" y="${TOP - 2}" width="2" height="4"><title>${escape(tellTravel(travel))}</title></rect>`;
    const ordered = [...drawn].sort((a, b) => !!a.lost - !!b.lost || a.taken_ms - b.taken_ms);
    const labels = new Set();
    for (const travel of [...ordered].sort((a, b) => !!b.lost - !!a.lost || a.taken_ms - b.taken_ms)) {
      const px = x(travel.taken_ms), room = (travel.path.length + 10) * 6;
      if (drawn.size > 60 && !travel.lost) continue;
      if ([...labels].some((other) => Math.abs(x(other.taken_ms) - px) < Math.max(room, (other.path.length + 10) * 6)) || px + room > width()) continue;
      labels.add(travel);
    }
    for (const travel of ordered) out += drawTravel(travel, y, labels.has(travel));
    return out;
  }

  function drawMarks(y) {
    const here = run.marks.map((mark, index) => ({ ...mark, index })).filter((mark) => seen(mark.ms, mark.ms) && y.has(mark.replica));
    const rank = (mark) => mark.outside ? 0 : "✗▲◆!?".includes(mark.glyph) ? 1 : 2;
    const places = new Set();
    let out = "", count = 0;
    for (const mark of here.sort((a, b) => rank(a) - rank(b) || Math.abs(a.ms - now) - Math.abs(b.ms - now))) {
      const px = x(mark.ms), place = mark.replica + ":" + Math.round(px / 11);
      if (places.has(place) || count >= MARKS_MAX) continue;
      places.add(place);
      count += 1;
      out += `<text class="glyph ${mark.outside ? "outside" : ""}" data-mark="${mark.index}" x="${r(px)}" y="${y.get(mark.replica) + BAND / 2 + 13}">${mark.glyph}<title>${escape(seconds(mark.ms) + " " + mark.text)}</title></text>`;
    }
    return out;
  }

  function draw() {
    const wide = width(), shown = lanes(), y = laneOf(), high = TOP + LANE * shown.length + LANE * 0.55 + FOOT, foot = high - FOOT;
    let out = `<svg class="timeline" width="${wide}" height="${high}" viewBox="0 0 ${wide} ${high}" role="img"><defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatching" d="M0 0V7"/></pattern><clipPath id="inner"><rect x="${NAMES}" y="0" width="${wide - NAMES}" height="${high}"/></clipPath></defs>`;
    out += `<text class="name" x="6" y="${TOP + 5}">cloud</text>`;
    for (const lane of shown) out += `<text class="name lane" x="6" y="${y.get(lane.replica) + 3}">${escape(lane.replica)}</text><text class="host" x="6" y="${y.get(lane.replica) + 17}">${escape(lane.host.slice(0, 14))}</text>`;
    out += `<g clip-path="url(#inner)">`;
    for (const ms of ticks()) out += `<line class="grid" x1="${r(x(ms))}" y1="${TOP}" x2="${r(x(ms))}" y2="${foot}"/><text x="${r(clamp(x(ms), NAMES + 10, wide - 22))}" y="${high - 8}" text-anchor="middle">${ms % 1000 ? (ms / 1000).toFixed(2) : ms / 1000} s</text>`;
    if (run.recorded_ms !== null && run.recorded_ms < view[1]) out += `<rect class="beyond" x="${r(x(run.recorded_ms))}" y="0" width="${r(x(view[1]) - x(run.recorded_ms))}" height="${foot}"><title>after the recorded run: what follows if nothing else goes wrong</title></rect>`;
    out += `<line class="cloud" x1="${NAMES}" y1="${TOP}" x2="${wide}" y2="${TOP}"/>`;
    for (const lane of shown) for (const span of lane.spans) {
      if (!seen(span.from_ms, span.to_ms)) continue;
      const from = Math.max(x(span.from_ms), NAMES - 2), to = Math.min(x(span.to_ms), wide + 2);
      const title = `${lane.replica}: ${span.standing === "prominent" ? run.prominent : span.standing}, ${seconds(span.from_ms)} to ${seconds(span.to_ms)}`;
      out += `<rect class="${span.standing}" x="${r(from)}" y="${y.get(lane.replica) - BAND / 2}" width="${r(Math.max(to - from, 0.7))}" height="${BAND}"><title>${escape(title)}</title></rect>`;
    }
    for (const [from, to] of run.overlaps) {
      if (!seen(from, to)) continue;
      for (const lane of shown) {
        if (!lane.spans.some((span) => span.standing === "prominent" && span.from_ms < to && span.to_ms > from)) continue;
        out += `<rect class="overlap" fill="url(#hatch)" x="${r(x(from))}" y="${y.get(lane.replica) - BAND / 2}" width="${r(Math.max(x(to) - x(from), 3))}" height="${BAND}"><title>more than one is ${run.prominent}: ${seconds(from)} to ${seconds(to)}</title></rect>`;
      }
    }
    out += drawWays(y);
    for (const [list, kind] of [[counted, "counts"], [failed, "violates"]]) for (const ms of new Set(list)) if (seen(ms, ms)) out += `<line class="${kind}" x1="${r(x(ms))}" y1="12" x2="${r(x(ms))}" y2="${foot}"/>`;
    out += drawMarks(y) + `<line class="now" x1="${r(x(now))}" y1="0" x2="${r(x(now))}" y2="${foot}"/></g></svg>`;
    drawing.innerHTML = out;
    drawOverview();
  }

  function drawOverview() {
    const wide = width(), px = (ms) => ms / Math.max(run.end_ms, 1) * wide, high = 6 + lanes().length * 5;
    let out = `<svg width="${wide}" height="${high}" viewBox="0 0 ${wide} ${high}">`;
    lanes().forEach((lane, index) => lane.spans.forEach((span) => { out += `<rect class="${span.standing}" x="${r(px(span.from_ms))}" y="${3 + index * 5}" width="${r(Math.max(px(span.to_ms) - px(span.from_ms), 0.5))}" height="4"/>`; }));
    for (const ms of failed) out += `<line class="violates" x1="${r(px(ms))}" y1="0" x2="${r(px(ms))}" y2="${high}"/>`;
    overview.innerHTML = out + `<rect class="window" x="${r(px(view[0]))}" y="0" width="${r(Math.max(px(view[1]) - px(view[0]), 2))}" height="${high}"/></svg>`;
  }

  // The difference of two texts, line by line.
  function difference(before, after) {
    const a = before.split("\n"), b = after.split("\n");
    if (a.length * b.length > 1e6) return escape(after);
    const best = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    let i = 0, j = 0;
    const out = [];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { out.push("  " + escape(a[i])); i++; j++; }
      else if (i < a.length && (j >= b.length || best[i + 1][j] >= best[i][j + 1])) out.push(`<del>- ${escape(a[i++])}</del>`);
      else out.push(`<ins>+ ${escape(b[j++])}</ins>`);
    }
    return out.join("\n");
  }

  function tellFile() {
    const travel = travels[chosen];
    if (!travel) return "";
    let out = `<h2>${escape(nameOf(travel))}</h2><p>${escape(tellTravel(travel))}</p>`;
    if (travel.content === null) return out + (travel.removed ? "" : "<p>Its content is not kept in this page.</p>");
    const others = travels.filter((other) => other.path === travel.path && !other.lost && other.index < travel.index && other.content !== null);
    const before = travel.lost ? travels.filter((other) => other.path === travel.path && !other.lost && other.taken_ms <= travel.taken_ms && other.content !== null).pop() : others.pop();
    const text = run.contents[travel.content];
    if (!before) return out + `<pre>${escape(text)}</pre>`;
    return out + `<p>Beside version ${before.version}, by ${before.author}:</p><pre>${difference(run.contents[before.content], text)}</pre>`;
  }

  function tellMoment() {
    const belief = run.beliefs.find((belief) => belief.ms === now);
    const rows = run.rows.filter((row) => row.ms === now);
    let out = `<h2>At ${seconds(now)}${run.recorded_ms !== null && now > run.recorded_ms ? ", after the recorded run" : ""}</h2>`;
    for (const row of rows) out += `<p>${escape(row.text)}</p>`;
    if (belief) {
      out += "<h2>What each believed</h2><dl>";
      for (const [replica, lines] of belief.each) out += `<dt>${escape(replica)}</dt>` + (lines.length ? lines : ["has everything that the cloud has"]).map((line) => `<dd>${escape(line)}</dd>`).join("");
      out += "</dl>";
    } else {
      const standing = run.lanes.map((lane) => { const span = lane.spans.find((span) => span.from_ms <= now && now <= span.to_ms); return `${lane.replica} is ${span ? (span.standing === "prominent" ? run.prominent : span.standing === "away" ? "cut off" : span.standing) : "not there"}`; });
      out += `<p>${escape(standing.join(", "))}.</p>`;
    }
    moment.innerHTML = out + tellFile();
  }

  let marked = null;
  function go(ms, travel = null, moves = true) {
    now = clamp(ms, 0, run.end_ms);
    chosen = travel;
    if (now < view[0] || now > view[1]) { const half = (view[1] - view[0]) / 2; show([now - half, now + half]); } else draw();
    tellMoment();
    let index = run.rows.findIndex((row) => row.ms >= now);
    if (index < 0) index = run.rows.length - 1;
    const line = at("row-" + index);
    if (marked) marked.classList.remove("now");
    if (line) { line.classList.add("now"); story.scrollTop = line.offsetTop - story.clientHeight / 3; }
    marked = line;
    if (moves) history.replaceState(null, "", "#t=" + now);
  }

  function show(range) {
    const span = clamp(range[1] - range[0], Math.min(50, run.end_ms), run.end_ms);
    const from = clamp((range[0] + range[1]) / 2 - span / 2, 0, run.end_ms - span);
    view = [from, from + span];
    draw();
  }

  function zoom(factor, ms = now >= view[0] && now <= view[1] ? now : (view[0] + view[1]) / 2) {
    const span = clamp((view[1] - view[0]) * factor, Math.min(50, run.end_ms), run.end_ms), share = (ms - view[0]) / Math.max(view[1] - view[0], 1);
    show([ms - share * span, ms + (1 - share) * span]);
  }

  const step = (forward) => {
    const next = forward ? steps.find((ms) => ms > now) : steps.findLast((ms) => ms < now);
    if (next !== undefined) go(next);
  };
  const toViolation = () => { const next = failed.find((ms) => ms > now) ?? failed[0] ?? counted.find((ms) => ms > now) ?? counted[0]; if (next !== undefined) { show(around(next)); go(next); } };

  function button(id, text, title, act) {
    const it = document.createElement("button");
    Object.assign(it, { id, textContent: text, title, type: "button", onclick: act });
    tools.append(it);
  }
  function filter(id, text, all, chosenOnes, name) {
    const fold = document.createElement("details");
    fold.id = id;
    fold.innerHTML = `<summary></summary><div></div>`;
    const tell = () => { fold.firstChild.textContent = `${text}: ${chosenOnes.size} of ${all.length}`; };
    for (const one of all) {
      const label = document.createElement("label"), box = document.createElement("input");
      Object.assign(box, { type: "checkbox", checked: chosenOnes.has(one), value: one });
      box.onchange = () => { if (box.checked) chosenOnes.add(one); else chosenOnes.delete(one); tell(); draw(); };
      label.append(box, " " + name(one));
      fold.lastChild.append(label);
    }
    tell();
    tools.append(fold);
  }
  button("back", "◀", "step back (left arrow)", () => step(false));
  button("next", "▶", "step on (right arrow)", () => step(true));
  button("in", "+", "closer (plus)", () => zoom(0.5));
  button("out", "−", "farther (minus)", () => zoom(2));
  button("all", "whole run", "the whole run (0)", () => show(whole));
  if (!run.judged && counted.length) button("found", "first of a kind", "to the first conflict, or broken arrival (v)", toViolation);
  else if (failed.length || counted.length) button("violation", "violation", "to the next violation (v)", toViolation);
  if (files.length) filter("files", folds ? "files (quiet ones are dots)" : "files", files, shownFiles, (file) => file);
  filter("replicas", "machines", run.lanes.map((lane) => lane.replica), shownLanes, (replica) => replica);

  drawing.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: () => step(false), ArrowRight: () => step(true), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(whole), v: toViolation };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); keys[event.key](); }
  });
  drawing.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY < 0 ? 0.8 : 1.25, msAt(event.clientX - drawing.getBoundingClientRect().left)); }
    else if (event.deltaX || event.shiftKey) { event.preventDefault(); const by = (event.deltaX || event.deltaY) / width() * (view[1] - view[0]); show([view[0] + by, view[1] + by]); }
  }, { passive: false });
  const touches = new Map();
  let moved = 0, waits = false;
  drawing.addEventListener("pointerdown", (event) => { touches.set(event.pointerId, event.clientX); moved = 0; });
  addEventListener("pointermove", (event) => {
    if (!touches.has(event.pointerId)) return;
    const before = [...touches.values()], by = event.clientX - touches.get(event.pointerId);
    touches.set(event.pointerId, event.clientX);
    moved += Math.abs(by);
    if (waits || moved < 4) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; });
    const after = [...touches.values()], left = drawing.getBoundingClientRect().left;
    if (after.length === 2) zoom(Math.abs(before[0] - before[1]) / Math.max(Math.abs(after[0] - after[1]), 1), msAt((after[0] + after[1]) / 2 - left));
    else { const ms = by / (width() - NAMES) * (view[1] - view[0]); show([view[0] - ms, view[1] - ms]); }
  });
  for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, (event) => touches.delete(event.pointerId));
  drawing.addEventListener("click", (event) => {
    if (moved >= 4) return;
    const way = event.target.closest("[data-travel]"), mark = event.target.closest("[data-mark]");
    if (way) { const travel = travels[way.dataset.travel]; go(travel.taken_ms, travel.index); }
    else if (mark) go(run.marks[mark.dataset.mark].ms);
    else {
      const ms = msAt(event.clientX - drawing.getBoundingClientRect().left);
      const near = steps.reduce((best, one) => Math.abs(one - ms) < Math.abs(best - ms) ? one : best, steps[0] ?? ms);
      go(near);
    }
  });
  overview.addEventListener("click", (event) => { const ms = (event.clientX - overview.getBoundingClientRect().left) / width() * run.end_ms, half = (view[1] - view[0]) / 2; show([ms - half, ms + half]); });
  const fromLink = () => { const found = /^#t=(\d+)$/.exec(location.hash); if (found) go(Number(found[1]), null, false); return found; };
  addEventListener("hashchange", fromLink);
  addEventListener("resize", draw);
  if (!fromLink()) go(now, travels.find((travel) => travel.lost && (!failed.length || travel.taken_ms >= failed[0]))?.index ?? null, false);
})();
