"use strict";
// Draws the run that stands in the element #run. Everything is redrawn for the window of time that is looked at; only
// what lies in it is drawn, so that a long run stays quick.
(() => {
  const run = JSON.parse(document.getElementById("run").textContent);
  const byId = (id) => document.getElementById(id);
  const chart = byId("chart");
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 64, TOP = 26, STATE = 18, ROW = 9, GAP = 22, MAX_ROWS = 12, MOST_DRAWN = 4000, MOST_LISTED = 1000;
  const TERM_COLOURS = ["#8ecae6", "#ffb703", "#95d5b2", "#f4a6c0", "#cdb4f6", "#f2c38b", "#9ad0c2", "#d4d36a"];
  const SYMBOLS = { start: "▲", kill: "✖", killed_at: "✖", power: "⚡", wipe: "∅", snapshot: "◆", installed: "◈" };
  const end = Math.max(run.seconds, 0.001);
  let from = 0, until = Math.max(run.look_until, 0.001), chosen = null, dragged = null, written = {};

  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // --- where things stand
  const tops = {}, heights = {};
  const layout = () => {
    let y = TOP;
    if (byId("show-asked").checked && run.asked_rows) {
      tops.clients = y;
      heights.clients = Math.min(run.asked_rows, MAX_ROWS) * ROW + 4;
      y += heights.clients + GAP;
    } else delete tops.clients;
    for (const peer of run.peers) {
      const rows = byId("show-tasks").checked ? Math.min(run.task_rows[peer] || 0, MAX_ROWS) : 0;
      tops[peer] = y;
      heights[peer] = STATE + 4 + rows * ROW;
      y += heights[peer] + GAP;
    }
    return y;
  };
  const width = () => Math.max(chart.clientWidth, 320);
  const x = (at) => LEFT + ((at - from) / (until - from)) * (width() - LEFT - 8);
  const seen = (since, to) => to >= from && since <= until;

  const bar = (svg, since, to, y, height, css, title) => {
    const left = Math.max(x(since), LEFT), right = Math.min(x(to), width() - 8);
    const drawn = make("rect", { x: left, y, width: Math.max(right - left, 1.5), height, class: css });
    drawn.append(make("title", {}, title));
    svg.append(drawn);
    return { drawn, left, room: right - left };
  };

  // --- the picture
  const draw = () => {
    written = {};
    const height = layout();
    const svg = make("svg", { height, viewBox: `0 0 ${width()} ${height}`, "aria-hidden": "true" });
    drawGrid(svg, height);
    for (const peer of run.peers) {
      svg.append(make("rect", { x: LEFT, y: tops[peer], width: width() - LEFT - 8, height: heights[peer], class: "lane" }));
      svg.append(make("text", { x: 8, y: tops[peer] + 14 }, peer));
    }
    if (byId("show-faults").checked) run.faults.forEach((fault) => drawFault(svg, fault));
    run.spans.forEach((span) => drawSpan(svg, span));
    if (byId("show-tasks").checked) drawTasks(svg);
    if (tops.clients !== undefined) drawAsked(svg);
    if (byId("show-messages").checked) drawMessages(svg);
    drawMarks(svg);
    drawMoment(svg, height);
    chart.replaceChildren(svg);
    byId("window").textContent = `${from.toFixed(3)} to ${until.toFixed(3)} s`;
    if (byId("filter-window").checked) list();
  };

  const drawGrid = (svg, height) => {
    const rough = (until - from) / 10, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let n = Math.ceil(from / step); n * step <= until; n++) {
      svg.append(make("line", { x1: x(n * step), x2: x(n * step), y1: TOP - 6, y2: height, class: "grid" }));
      svg.append(make("text", { x: x(n * step) + 2, y: 14, class: "quiet" }, `${(n * step).toFixed(digits)} s`));
    }
  };

  const drawSpan = (svg, span) => {
    if (!seen(span.since, span.until) || tops[span.peer] === undefined) return;
    const { drawn, left, room } = bar(svg, span.since, span.until, tops[span.peer], STATE, span.kind, span.title);
    if (span.kind === "leader") drawn.style.fill = TERM_COLOURS[span.term % TERM_COLOURS.length];
    if (span.label && room > 8 * span.label.length) {
      const css = span.kind === "leader" || span.kind === "frozen" ? "on-colour" : "quiet";
      if (span.kind !== "down") svg.append(make("text", { x: left + 4, y: tops[span.peer] + 13, class: css }, span.label));
    }
  };

  // A fault of links is shaded between the lanes it cuts, any other over the lanes it strikes.
  const drawFault = (svg, fault) => {
    if (!seen(fault.since, fault.until)) return;
    const struck = [...new Set([...fault.on, ...fault.to])].map((peer) => run.peers.indexOf(peer)).sort((a, b) => a - b);
    const lanes = struck.length ? struck : [...run.peers.keys()];
    const links = fault.to.length > 0;
    const pieces = links ? [[lanes[0], lanes[lanes.length - 1]]] : lanes.map((lane) => [lane, lane]);
    for (const [first, last] of pieces) {
      const top = tops[run.peers[first]] - 10, bottom = tops[run.peers[last]] + heights[run.peers[last]] + 10;
      bar(svg, fault.since, fault.until, top, bottom - top, "fault", fault.title);
      const edge = bar(svg, fault.since, fault.until, top, 2, "fault-edge", fault.title);
      if (edge.left > (written[first] || 0) && edge.left + 7 * fault.title.length < width()) {
        written[first] = edge.left + 7 * fault.title.length;
        svg.append(make("text", { x: edge.left + 3, y: top + 10, class: "quiet" }, fault.title));
      }
    }
  };

  const drawTasks = (svg) => {
    let drawn = 0;
    for (const task of run.tasks) {
      if (!seen(task.since, task.until) || task.row >= MAX_ROWS || drawn++ > MOST_DRAWN) continue;
      const y = tops[task.peer] + STATE + 4 + task.row * ROW;
      bar(svg, task.since, task.until, y, ROW - 2, `task ${task.kind}`, task.title);
    }
  };

  const drawAsked = (svg) => {
    svg.prepend(make("rect", { x: LEFT, y: tops.clients - 2, width: width() - LEFT - 8, height: heights.clients, class: "lane" }));
    svg.append(make("text", { x: 8, y: tops.clients + 12 }, "clients"));
    let drawn = 0;
    for (const one of run.asked) {
      if (!seen(one.since, one.until) || one.row >= MAX_ROWS || drawn++ > MOST_DRAWN) continue;
      bar(svg, one.since, one.until, tops.clients + one.row * ROW, ROW - 2, `asked ${one.outcome}`, one.title);
    }
  };

  const drawMessages = (svg) => {
    const there = run.messages.filter((m) => seen(m.since, m.until) && m.source in tops && m.target in tops);
    for (const message of there.slice(0, MOST_DRAWN)) {
      const line = make("line", {
        x1: x(message.since), y1: tops[message.source] + STATE / 2, x2: x(message.until), y2: tops[message.target] + STATE / 2,
        class: "message",
      });
      line.append(make("title", {}, `${message.source} → ${message.target}: ${message.what}`));
      svg.append(line);
    }
    if (there.length > MOST_DRAWN) byId("pointed").textContent = `Only ${MOST_DRAWN} of ${there.length} messages are drawn: zoom in to see all.`;
  };

  const drawMarks = (svg) => {
    for (const mark of run.marks) {
      if (!seen(mark.at, mark.at) || tops[mark.peer] === undefined) continue;
      const drawn = make("text", { x: x(mark.at) - 5, y: tops[mark.peer] - 2, class: "mark" }, SYMBOLS[mark.kind] || "•");
      drawn.append(make("title", {}, `${mark.at.toFixed(3)} s: ${mark.title}`));
      svg.append(drawn);
    }
  };

  const drawMoment = (svg, height) => {
    if (run.violation && seen(run.violation.at, run.violation.at)) {
      const at = x(run.violation.at);
      svg.append(make("line", { x1: at, x2: at, y1: 0, y2: height, class: "violation" }));
      const atRight = at > width() - 90;
      svg.append(make("text", { x: at + (atRight ? -4 : 4), y: height - 6, class: "violation-word", "text-anchor": atRight ? "end" : "start" }, "violation"));
    }
    if (chosen !== null && seen(chosen, chosen)) {
      svg.append(make("line", { x1: x(chosen), x2: x(chosen), y1: 0, y2: height, class: "chosen" }));
    }
  };

  // --- moving about
  const look = (since, to) => {
    const length = Math.min(Math.max(to - since, 0.0005), end);
    from = Math.min(Math.max(since, 0), end - length);
    until = from + length;
    draw();
  };
  const zoom = (factor, around) => look(around - (around - from) * factor, around + (until - around) * factor);
  const middle = () => (from + until) / 2;
  const goTo = (at) => {
    chosen = at;
    const half = Math.min(until - from, end / 5) / 2;
    look(at - half, at + half);
  };
  const atPixel = (pixel) => from + ((pixel - chart.getBoundingClientRect().left - LEFT) / (width() - LEFT - 8)) * (until - from);

  byId("zoom-in").onclick = () => zoom(0.5, middle());
  byId("zoom-out").onclick = () => zoom(2, middle());
  byId("zoom-all").onclick = () => look(0, end);
  if (run.violation) {
    byId("to-violation").hidden = false;
    byId("to-violation").onclick = () => goTo(run.violation.at);
  }
  for (const id of ["show-faults", "show-tasks", "show-asked", "show-messages"]) byId(id).onchange = draw;
  if (!run.messages.length) byId("messages-label").hidden = true;

  chart.addEventListener("keydown", (event) => {
    const step = (until - from) / 5;
    const moves = {
      ArrowLeft: () => look(from - step, until - step), ArrowRight: () => look(from + step, until + step),
      "+": () => zoom(0.5, middle()), "=": () => zoom(0.5, middle()), "-": () => zoom(2, middle()),
      0: () => look(0, end), Home: () => look(0, until - from), End: () => look(end - (until - from), end),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    moves[event.key]();
  });
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, atPixel(event.clientX));
  }, { passive: false });
  chart.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragged = { pixel: event.clientX, from, until };
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (dragged) {
      const moved = ((event.clientX - dragged.pixel) / (width() - LEFT - 8)) * (dragged.until - dragged.from);
      look(dragged.from - moved, dragged.until - moved);
      return;
    }
    const title = event.target.querySelector && event.target.querySelector(":scope > title");
    byId("pointed").textContent = title ? title.textContent : "\u00a0";
  });
  for (const name of ["pointerup", "pointercancel"]) chart.addEventListener(name, () => { dragged = null; });
  window.addEventListener("resize", draw);

  // --- the table
  const choose = (id, values) => {
    for (const value of [...new Set(values)].sort()) {
      if (!value) continue;
      const option = document.createElement("option");
      option.value = option.textContent = value;
      byId(id).append(option);
    }
  };
  const list = () => {
    const text = byId("filter-text").value.toLowerCase(), kind = byId("filter-kind").value, peer = byId("filter-peer").value;
    const inWindow = byId("filter-window").checked;
    const found = run.rows.filter((row) =>
      (!kind || row[1] === kind) && (!peer || row[2] === peer) && (!text || row[3].toLowerCase().includes(text)) &&
      (!inWindow || seen(row[0], row[0])));
    byId("rows").replaceChildren(...found.slice(0, MOST_LISTED).map(rowOf));
    const more = found.length > MOST_LISTED ? `, the first ${MOST_LISTED} are listed: narrow it down` : "";
    const leftOut = run.left_out ? `; ${run.left_out} are not on this page` : "";
    byId("shown-count").textContent = `${found.length} of ${run.rows.length} events${more}${leftOut}`;
  };
  const rowOf = (row) => {
    const line = document.createElement("tr");
    if (row[1] === "violation") line.className = "violated";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = row[0].toFixed(3);
    button.setAttribute("aria-label", `Show ${row[0].toFixed(3)} s in the timeline`);
    button.onclick = () => goTo(row[0]);
    for (const content of [button, row[1].replace("_", " "), row[2], row[3]]) {
      const cell = document.createElement("td");
      cell.append(content);
      line.append(cell);
    }
    return line;
  };
  choose("filter-kind", run.rows.map((row) => row[1]));
  choose("filter-peer", run.rows.map((row) => row[2]));
  byId("filter-text").oninput = list;
  for (const id of ["filter-kind", "filter-peer", "filter-window"]) byId(id).onchange = list;

  // --- the legend
  const explain = (css, words, colour) => {
    const item = document.createElement("li"), svg = make("svg", { viewBox: "0 0 16 12", "aria-hidden": "true" });
    const swatch = make("rect", { width: 16, height: 12, class: css });
    if (colour) swatch.style.fill = colour;
    svg.append(swatch);
    item.append(svg, words);
    byId("legend").append(item);
  };
  explain("leader", "leads (a colour for each term)", TERM_COLOURS[1]);
  explain("candidate", "asks for votes");
  explain("down", "off");
  explain("frozen", "frozen");
  explain("fault-edge", "fault");
  explain("task succeeded", "attempt that succeeded");
  explain("task failed", "attempt that did not");
  explain("asked", "request of a client");
  explain("asked unknown", "request without a clear answer");
  const symbols = document.createElement("li");
  symbols.textContent = "▲ start  ✖ kill  ⚡ power loss  ∅ new disk  ◆ snapshot  ◈ snapshot installed";
  byId("legend").append(symbols);

  draw();
  list();
})();
