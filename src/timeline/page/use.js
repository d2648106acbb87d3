// Zooms, moves and filters, shows details, and handles pointer and keyboard.

// ---- zoom and move

function show(from, until) {
  const least = 50, most = whole.until - whole.from;
  const length = Math.min(Math.max(until - from, least), Math.max(most, least));
  const middle = (from + until) / 2;
  view.from = Math.max(whole.from, Math.min(middle - length / 2, whole.from + most - length));
  view.until = view.from + length;
  redraw();
}

function zoom(factor, part = 0.5) {
  const at = view.from + part * (view.until - view.from), length = (view.until - view.from) * factor;
  show(at - part * length, at + (1 - part) * length);
}

const move = (part) => { const by = part * (view.until - view.from); show(view.from + by, view.until + by); };
const all = () => show(whole.from, whole.until);

// ---- details

const text = (number) => texts[number];
const subject = (lane, run) => run ? `${lane.name}#${run}` : lane.name;

function aboutSpan(lane, one) {
  const more = text(one.text);
  return `${subject(lane, one.run)}: ${kinds[one.kind][0]}\n${time(one.from)} – ${time(one.until)}, ${span(one.until - one.from)}${more && '\n' + more}`;
}

function aboutMarks(lane, marks) {
  if (marks.length === 1) return `${subject(lane, marks[0].run)} ${text(marks[0].text)}\n${time(marks[0].at)}`;
  const counts = new Map();
  for (const { kind } of marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const parts = [...counts].map(([kind, count]) => `${count} × ${markKinds[kind][0] || 'command'}`);
  return `${lane.name}: ${parts.join(', ')}\n${time(marks[0].at)} – ${time(marks.at(-1).at)}`;
}

function aboutLane(lane) {
  const down = lane.spans.reduce((sum, one) => sum + (kinds[one.kind][4] ? one.until - one.from : 0), 0);
  const runs = new Set(lane.spans.map((one) => one.run).filter(Boolean)).size;
  const after = lane.after.map(([on, until]) => `\nafter ${lanes[on].name} (${until})`).join('');
  const counts = lane.marks.length ? '\n' + aboutMarks(lane, lane.marks).split('\n')[0] : '';
  return `${lane.name}\n${runs} ${runs === 1 ? 'run' : 'runs'}, wanted and not running for ${span(down)}${counts}${after}`;
}

// What is at a place of a lane.
function find(lane, x) {
  const { pieces, groups } = visible(lane, lane.canvas.clientWidth);
  const group = groups.find((group) => x >= group.x - 6 && x <= group.x + (group.marks.length > 1 ? PILL - 4 : 6));
  if (group) return { marks: group.marks };
  const piece = pieces.find(({ left, right }) => x >= left && x < right);
  return piece ? { span: piece.span } : null;
}

function openDetails(what, lines) {
  $('what').textContent = what;
  $('lines').textContent = lines;
  $('details').hidden = false;
}

function openFound(lane, found) {
  if (!found) return;
  // The lines of a run are those before its end.
  const run = found.span?.run;
  const marks = found.marks ?? (run ? lane.marks.filter((mark) => mark.run === run) : []);
  const lines = marks.filter((mark) => mark.lines).map((mark) => text(mark.lines));
  const what = found.marks ? aboutMarks(lane, found.marks)
    : [aboutSpan(lane, found.span), ...marks.map((mark) => `${text(mark.text)}, ${time(mark.at)}`)].join('\n');
  openDetails(what, lines.at(-1) ?? '');
}

function choose(lane) {
  chosen?.row.classList.remove('chosen');
  chosen = lane;
  lane.row.classList.add('chosen');
  lane.button.focus({ preventScroll: true });
  lane.row.scrollIntoView({ block: 'nearest' });
}

// Goes to the next or previous event of the chosen lane.
function step(direction) {
  const lane = chosen ?? lanes.find((lane) => !lane.row.hidden);
  if (!lane) return;
  if (lane !== chosen) choose(lane);
  const next = lane.at < 0 && direction > 0 ? search(lane.marks, view.from, (m) => m.at) : lane.at + direction;
  const mark = lane.marks[next];
  if (!mark) return;
  lane.at = next;
  if (mark.at < view.from || mark.at > view.until) {
    const half = (view.until - view.from) / 2;
    show(mark.at - half, mark.at + half);
  }
  openFound(lane, { marks: [mark] });
}

function filter() {
  const part = $('filter').value.toLowerCase(), onlyBad = $('bad').checked;
  for (const lane of lanes) lane.row.hidden = !lane.name.toLowerCase().includes(part) || onlyBad && !lane.isBad;
  const count = lanes.filter((lane) => !lane.row.hidden).length;
  $('count').textContent = count === lanes.length ? '' : `${count} of ${lanes.length} processes`;
  redraw();
}

// ---- the page

function tip(event, found, lane) {
  const box = $('tip');
  box.hidden = !found;
  if (!found) return;
  box.textContent = found.marks ? aboutMarks(lane, found.marks) : aboutSpan(lane, found.span);
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
  box.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
}

function partOf(event) {
  const { left, width } = $('axis').getBoundingClientRect();
  return Math.min(Math.max((event.clientX - left) / width, 0), 1);
}

function drag(canvas, onClick) {
  let from = null;
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    from = { x: event.clientX, view: { ...view }, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!from) return;
    from.moved ||= Math.abs(event.clientX - from.x) > 3;
    const by = (from.x - event.clientX) / canvas.clientWidth * (from.view.until - from.view.from);
    if (from.moved) show(from.view.from + by, from.view.until + by);
  });
  canvas.addEventListener('pointerup', (event) => {
    if (from && !from.moved) onClick?.(event);
    from = null;
  });
  canvas.addEventListener('pointercancel', () => { from = null; });
  canvas.addEventListener('dblclick', (event) => zoom(0.5, partOf(event)));
}

function addLane(lane) {
  lane.row = document.createElement('div');
  lane.row.className = 'lane';
  lane.row.dataset.lane = lane.index;
  lane.button = document.createElement('button');
  lane.button.type = 'button';
  [lane.button.textContent, lane.button.title] = [lane.name, lane.name];
  lane.canvas = document.createElement('canvas');
  lane.canvas.setAttribute('aria-hidden', 'true');
  lane.row.append(lane.button, lane.canvas);
  lane.button.addEventListener('click', () => { choose(lane); openDetails(aboutLane(lane), ''); });
  lane.canvas.addEventListener('mousemove', (event) => tip(event, event.buttons ? null : find(lane, event.offsetX), lane));
  lane.canvas.addEventListener('mouseleave', () => { $('tip').hidden = true; });
  drag(lane.canvas, (event) => { choose(lane); openFound(lane, find(lane, event.offsetX)); });
  $('lanes').append(lane.row);
  observer.observe(lane.row);
}

function addLegend() {
  const used = new Set(lanes.flatMap((lane) => lane.spans.map((one) => one.kind)));
  const palette = colors(), forms = new Map();
  const marks = { good: 'exit 0', code: 'another exit code', signal: 'ended by a signal', ring: 'unknown status, or survived KILL', cross: 'not started', arrow: 'signal', triangle: 'unhealthy or not ready', block: 'gave up', dot: 'command' };
  for (const [, form] of markKinds) forms.set(form, marks[form]);
  const entry = (label, draw) => {
    const item = document.createElement('li'), canvas = document.createElement('canvas');
    item.append(canvas, label);
    $('legend').append(item);
    draw(prepare(canvas).cx);
  };
  $('legend').replaceChildren();
  kinds.forEach(([name, share], kind) => {
    if (used.has(kind)) entry(name, (cx) => { cx.fillStyle = color(kind); cx.fillRect(0, 7 - 6 * share, 18, Math.max(12 * share, 1.5)); });
  });
  for (const [form, label] of forms) entry(label, (cx) => drawMark(cx, form, 8, 7.5, 4.5, palette));
  if (data.leftOut) {
    $('left-out').textContent = `The last lines of the earliest ${data.leftOut} exits are left out, as there are too many.`;
    $('left-out').hidden = false;
  }
}

const keys = {
  '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': all,
  ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25),
  ArrowUp: () => neighbour(-1), ArrowDown: () => neighbour(1),
  n: () => step(1), p: () => step(-1), '/': () => $('filter').focus(),
  Escape: () => { $('details').hidden = true; $('tip').hidden = true; },
};

function neighbour(direction) {
  const shown = lanes.filter((lane) => !lane.row.hidden), at = shown.indexOf(chosen);
  // At an end it stays, and gets the focus from where it was.
  const next = at < 0 ? shown[0] : shown[at + direction] ?? chosen;
  if (next) choose(next);
}

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.type === 'search';
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping && event.key !== 'Escape') return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  if (isTyping) event.target.blur(); else act();
});
$('picture').addEventListener('wheel', (event) => {
  const isStill = document.documentElement.scrollHeight <= innerHeight;
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    move(event.deltaX / 600);
  } else if (event.ctrlKey || event.metaKey || isStill || event.target === $('axis')) {
    event.preventDefault();
    zoom(Math.pow(1.0015, event.deltaY), partOf(event));
  }
}, { passive: false });
$('controls').addEventListener('submit', (event) => event.preventDefault());
$('filter').addEventListener('input', filter);
$('bad').addEventListener('change', filter);
for (const [id, act] of Object.entries({ in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25), all, close: keys.Escape })) {
  $(id).addEventListener('click', act);
}
if (lanes.length > 30) document.documentElement.style.setProperty('--height', '22px');
lanes.forEach(addLane);
drag($('axis'));
addLegend();
dark.addEventListener('change', () => { addLegend(); redraw(); });
addEventListener('resize', redraw);
addEventListener('beforeprint', () => { printing = true; addLegend(); drawNow(); });
addEventListener('afterprint', () => { printing = false; addLegend(); redraw(); });
redraw();
