// Moves the points when another axis is chosen, and says what a point is. The page reads well without it.
(() => {
  const figure = document.getElementById("plot");
  if (!figure) return;
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const [left, right, top, bottom] = data.box;
  const grid = document.getElementById("plot-grid");
  const front = document.getElementById("plot-front");
  const tip = document.getElementById("plot-tip");
  const note = document.getElementById("plot-hidden");
  const canvas = figure.querySelector(".canvas");
  const picks = { x: document.getElementById("plot-x"), y: document.getElementById("plot-y") };
  const points = [...figure.querySelectorAll(".point")];
  const x = place => left + place * (right - left);
  const y = place => bottom - place * (bottom - top);

  const draw = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    grid.append(node);
  };

  const drawGrid = (across, up) => {
    grid.replaceChildren();
    across.ticks.forEach(([place, text], index) => {
      draw("line", { x1: x(place), x2: x(place), y1: top, y2: bottom });
      draw("text", { x: x(place), y: bottom + 24, "text-anchor": "middle", class: index % 2 ? "minor" : "" }, text);
    });
    for (const [place, text] of up.ticks) {
      draw("line", { x1: left, x2: right, y1: y(place), y2: y(place) });
      draw("text", { x: left - 10, y: y(place) + 4, "text-anchor": "end" }, text);
    }
    draw("text", { x: 0, y: 18, class: "title" }, up.label);
    draw("text", { x: right, y: bottom + 54, "text-anchor": "end", class: "title" }, across.label);
  };

  const drawFront = (across, up) => {
    const sx = across.better === "higher" ? 1 : -1, sy = up.better === "higher" ? 1 : -1;
    const good = Object.keys(across.at).filter(id => id in up.at).map(id => [sx * across.at[id], sy * up.at[id]]);
    const kept = good
      .filter(a => !good.some(b => (b[0] !== a[0] || b[1] !== a[1]) && b[0] >= a[0] && b[1] >= a[1]))
      .sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    const line = [];
    for (const one of kept) {
      if (line.length) line.push([line[line.length - 1][0], one[1]]);
      line.push(one);
    }
    front.setAttribute("d", line.map(([a, b], index) => `${index ? "L" : "M"}${x(sx * a)} ${y(sy * b)}`).join(""));
  };

  const update = () => {
    const across = data.axes[picks.x.value], up = data.axes[picks.y.value];
    drawGrid(across, up);
    drawFront(across, up);
    let hidden = 0;
    for (const point of points) {
      const id = point.dataset.id, drawn = id in across.at && id in up.at;
      point.toggleAttribute("hidden", !drawn);
      if (!drawn) { hidden += 1; continue; }
      point.style.transform = `translate(${x(across.at[id])}px,${y(up.at[id])}px)`;
      const name = point.querySelector("text"), turn = x(across.at[id]) > right - 90;
      if (name) { name.setAttribute("x", turn ? -14 : 14); name.setAttribute("text-anchor", turn ? "end" : "start"); }
    }
    note.textContent = hidden ? data.hidden.replace("%d", hidden) : "";
    tip.hidden = true;
  };

  const show = point => {
    const trial = data.trials[point.dataset.id];
    const code = document.createElement("code");
    code.textContent = trial.recipe;
    const list = document.createElement("dl");
    for (const [name, text] of trial.facts) {
      const term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = name;
      value.textContent = text;
      list.append(term, value);
    }
    tip.replaceChildren(code, list);
    tip.hidden = false;
    const frame = canvas.getBoundingClientRect(), spot = point.querySelector(".reach").getBoundingClientRect();
    const centre = spot.left + spot.width / 2 - frame.left, width = tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(frame.width - width, centre - width / 2))}px`;
    const above = spot.top - frame.top - tip.offsetHeight - 6;
    tip.style.top = `${above > -40 ? above : spot.bottom - frame.top + 6}px`;
  };
  const hide = () => { tip.hidden = true; };

  // One stop for the tab key; the arrows walk along the horizontal axis.
  const walk = (point, by) => {
    const at = data.axes[picks.x.value].at;
    const order = points.filter(one => !one.hasAttribute("hidden")).sort((a, b) => at[a.dataset.id] - at[b.dataset.id]);
    const next = order[order.indexOf(point) + by];
    if (next) focusOn(next);
  };
  const focusOn = point => {
    for (const one of points) one.setAttribute("tabindex", one === point ? "0" : "-1");
    point.focus();
  };
  for (const point of points) {
    point.setAttribute("tabindex", "-1");
    point.querySelector("title").remove();
    point.addEventListener("mouseenter", () => show(point));
    point.addEventListener("mouseleave", hide);
    point.addEventListener("focus", () => show(point));
    point.addEventListener("blur", hide);
    point.addEventListener("keydown", event => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (by) { event.preventDefault(); walk(point, by); }
      if (event.key === "Escape") hide();
    });
  }
  const last = points[points.length - 1];
  if (last) last.setAttribute("tabindex", "0");
  for (const pick of Object.values(picks)) pick.addEventListener("change", update);
  figure.querySelector(".controls").hidden = false;
})();
