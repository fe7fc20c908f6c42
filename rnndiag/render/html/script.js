"use strict";

// Everything can be read without this script; it adds values under the pointer and switches.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function shown(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : "-";
}

// Powers of ten at any size, as the tables have them.
function powerOfTen(log10) {
  if (typeof log10 !== "number") {
    return "0";
  }
  if (log10 >= -2 && Math.pow(10, Math.min(log10, 4)) < 999.5) {
    return String(Number(Math.pow(10, log10).toPrecision(3)));
  }
  let exponent = Math.floor(log10);
  let mantissa = Math.pow(10, log10 - exponent).toFixed(1);
  if (mantissa === "10.0") {
    mantissa = "1.0";
    exponent += 1;
  }
  return mantissa + "e" + (exponent < 0 ? "" : "+") + exponent;
}

function numbers(text) {
  return text.split(" ").map(Number);
}

// From a picture to what lies where in it.
class Picture {
  constructor(svg) {
    this.svg = svg;
    this.plot = svg.querySelector(".plot");
    this.readout = svg.closest("figure").querySelector(".readout");
    [this.left, this.top, this.width, this.height] = numbers(svg.dataset.frame);
    [this.low, this.high, this.bottom, this.ceiling] = numbers(svg.dataset.range);
    this.layer = data.files[Number(svg.dataset.file)].layers[Number(svg.dataset.layer)];
    this.readout.hidden = false;
  }

  x(value) {
    return (value - this.low) / (this.high - this.low) * this.width;
  }

  y(value) {
    return (this.ceiling - value) / (this.ceiling - this.bottom) * this.height;
  }

  // Where a pointer is, in the coordinates of the plot.
  at(event) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.svg.viewBox.baseVal.width / box.width;
    return [(event.clientX - box.left) * scale - this.left, (event.clientY - box.top) * scale - this.top];
  }

  // Pointer and arrow keys both choose one of a row of things, which is then shown.
  choosable(count, nearest, show) {
    let place = -1;
    const choose = (wanted) => {
      place = Math.max(0, Math.min(count() - 1, wanted));
      show(place);
    };
    this.svg.addEventListener("pointermove", (event) => choose(nearest(this.at(event))));
    this.svg.addEventListener("pointerdown", (event) => choose(nearest(this.at(event))));
    this.svg.addEventListener("keydown", (event) => {
      const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10}[event.key];
      const end = {Home: 0, End: count() - 1}[event.key];
      if (step !== undefined || end !== undefined) {
        event.preventDefault();
        choose(end !== undefined ? end : place + step);
      }
    });
    return () => place >= 0 && choose(place);
  }
}

function indexOfSmallest(distances) {
  return distances.reduce((best, one, place) => one < distances[best] ? place : best, 0);
}

function gradientPicture(svg) {
  const picture = new Picture(svg);
  const trace = picture.layer.trace;
  const groups = [...svg.querySelectorAll("[data-drive]")];
  const cursor = svg.querySelector(".cursor");
  let drive = trace.drives[groups.findIndex((group) => group.classList.contains("chosen"))];

  function say(place) {
    const lag = drive.lags[place];
    cursor.setAttribute("d", "M" + picture.x(lag) + " 0V" + picture.height);
    const parts = [];
    const add = (name, log10) => parts.push(name + " " + powerOfTen(log10) + " (log10 " + shown(log10) + ")");
    add("h", drive.log10_gradient_norm[place]);
    if (drive.log10_cell_gradient_norm) {
      add("c", drive.log10_cell_gradient_norm[place]);
    }
    parts.push("nine of ten samples " + powerOfTen(drive.log10_p05[place]) + " to " + powerOfTen(drive.log10_p95[place]));
    if (trace.textbook_log10) {
      add("textbook", trace.textbook_log10[place]);
    }
    const back = lag === 1 ? "1 step back" : lag + " steps back";
    picture.readout.textContent = back + ", " + drive.drive + " input: " + parts.join("; ");
  }

  const again = picture.choosable(
    () => drive.lags.length,
    ([x]) => indexOfSmallest(drive.lags.map((lag) => Math.abs(picture.x(lag) - x))),
    say,
  );
  svg.closest("figure").addEventListener("change", (event) => {
    const place = Number(event.target.value);
    drive = trace.drives[place];
    groups.forEach((group, number) => group.classList.toggle("chosen", number === place));
    // The chosen curve lies above the others.
    groups[place].parentNode.insertBefore(groups[place], cursor);
    again();
  });
}

function planePicture(svg) {
  const picture = new Picture(svg);
  const spectrum = picture.layer.spectrum;
  const marks = [["W_hh", spectrum.blocks[0].eigenvalues], ["step Jacobian", spectrum.jacobian.eigenvalues]]
    .flatMap(([whose, values]) => (values || []).map(([real, imaginary]) => ({whose, real, imaginary})));
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("class", "pointed");
  ring.setAttribute("r", "7");
  ring.setAttribute("visibility", "hidden");
  picture.plot.append(ring);

  function say(place) {
    const {whose, real, imaginary} = marks[place];
    ring.setAttribute("cx", picture.x(real));
    ring.setAttribute("cy", picture.y(imaginary));
    ring.setAttribute("visibility", "visible");
    const size = Math.hypot(real, imaginary);
    const sign = imaginary < 0 ? " - " : " + ";
    const value = shown(real) + (imaginary === 0 ? "" : sign + shown(Math.abs(imaginary)) + "i");
    const effect = size > 1 ? "grows" : size < 1 ? "shrinks" : "stays";
    picture.readout.textContent = whose + ", eigenvalue " + value + ": modulus " + shown(size) + ", a change along it " + effect;
  }

  picture.choosable(
    () => marks.length,
    ([x, y]) => indexOfSmallest(marks.map((mark) => Math.hypot(picture.x(mark.real) - x, picture.y(mark.imaginary) - y))),
    say,
  );
}

function layerSwitch(choice) {
  const layers = [...choice.closest(".file").querySelectorAll(".layer")];
  const show = () => layers.forEach((layer, place) => {
    layer.hidden = choice.value !== "all" && Number(choice.value) !== place;
  });
  choice.addEventListener("change", show);
  choice.parentNode.hidden = false;
  show();
}

function copyButton(button) {
  const code = button.parentNode.querySelector("code");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch (refused) {
      // A browser that keeps the clipboard to itself: selected, it takes one key.
      getSelection().selectAllChildren(code);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

function themeButton(button) {
  const root = document.documentElement;
  const isDark = () => root.dataset.theme === "dark"
    || (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  button.hidden = false;
  label();
}

// On paper everything is open.
function openForPrint() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
}

document.querySelectorAll("svg.curves").forEach(gradientPicture);
document.querySelectorAll("svg.plane").forEach(planePicture);
document.querySelectorAll("select.layers").forEach(layerSwitch);
document.querySelectorAll(".copy").forEach(copyButton);
themeButton(document.getElementById("theme"));
openForPrint();
