const part = (id) => document.getElementById(id);
const trace = part("trace").value.split("\n");
const shownMax = 3000;

function show() {
  const who = part("who").value.split(/\s+/).filter((name) => name);
  const what = part("what").value;
  const from = Number(part("from").value);
  const to = Number(part("to").value);
  const found = trace.filter((line) => {
    const at = Number(line.slice(0, 12));
    const name = line.slice(13).split(" ", 1)[0];
    return at >= from && at <= to && (!who.length || who.includes(name)) && line.includes(what);
  });
  part("count").textContent = `${found.length} lines` + (found.length > shownMax ? `, the first ${shownMax}` : "");
  part("shown").textContent = found.slice(0, shownMax).join("\n");
}

for (const id of ["who", "what", "from", "to"]) {
  part(id).addEventListener("input", show);
}

// A click on a time line shows what happened around that time.
part("lines").addEventListener("click", (event) => {
  const { left, width } = part("lines").getBoundingClientRect();
  const names = Number(part("lines").dataset.left);
  const end = Number(part("lines").dataset.end);
  const at = ((event.clientX - left - names) / (width - names - 10)) * end;
  part("from").value = Math.max(0, at - 1).toFixed(3);
  part("to").value = (at + 1).toFixed(3);
  show();
});

show();
