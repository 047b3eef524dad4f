-- Runs and definitions as pages for people: one HTML file that needs nothing else.
--
-- What is in the data is never markup: the page carries it as JSON, and its script writes it as text.

-- report_graph: what there is to draw of a definition: its states, and what leads where
CREATE FUNCTION workflow.report_graph(definition text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET jit = off
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'states', (SELECT jsonb_agg(jsonb_build_object(
                              'name', s.name, 'type', s.state->>'Type', 'parent', s.parent,
                              'machine', s.place[1:cardinality(s.place) - 1],
                              'activity', workflow.task_activity(s.state::jsonb),
                              'ends', s.state->>'End' = 'true' OR s.state->>'Type' IN ('Succeed', 'Fail')) ORDER BY s.n)
                   FROM workflow.definition_states(definition) s),
        'edges', (SELECT jsonb_agg(jsonb_build_object('kind', e.kind, 'source', e.source, 'target', e.target, 'label', e.label)
                                   ORDER BY e.n)
                  FROM workflow.definition_edges(definition) e WHERE e.kind NOT IN ('Retry', 'End', 'Fail')));
END;
COMMENT ON FUNCTION workflow.report_graph(text) IS 'The states of a definition and what leads where, for a picture';

-- report_style, report_script: of the page
CREATE FUNCTION workflow.report_style() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN $css$
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em auto; max-width: 1200px; padding: 0 1em; color: #1d2733; }
h1 { font-size: 1.5em; margin: 0 0 .2em; } h2 { font-size: 1.1em; margin: 1.8em 0 .5em; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2em .7em .2em 0; vertical-align: top; }
th { color: #66717d; font-weight: normal; white-space: nowrap; width: 8em; } tr.event:nth-child(even) { background: #f5f7f9; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.4 ui-monospace, monospace; }
.badge { border-radius: 3px; padding: .1em .5em; color: #fff; background: #66717d; }
.Completed { --status: #2e8b57; } .Failed, .TimedOut, .Stuck { --status: #c0392b; } .Running { --status: #2471a3; }
.Canceled, .Terminated, .Paused, .Rejected, .Undone { --status: #b9770e; } .ContinuedAsNew { --status: #2e8b57; }
.badge { background: var(--status, #66717d); }
.scroll { overflow: auto; border: 1px solid #dde3e9; border-radius: 4px; }
svg text { font: 12px system-ui, sans-serif; fill: #1d2733; } svg .sub { font-size: 10px; fill: #66717d; }
svg .node { fill: #fff; stroke: #aeb8c2; stroke-width: 1.3; } svg .node[class*="reached"] { fill: #fdfefe; stroke-width: 2.2; stroke: var(--status, #66717d); }
svg .machine { fill: #f5f7f9; stroke: #dde3e9; } svg .edge { fill: none; stroke: #8592a0; } svg .Catch, svg .OnError, svg .OnCancel, svg .OnTimeout { stroke-dasharray: 5 3; }
svg .Compensate { stroke-dasharray: 1 3; } svg .bar { fill: var(--status, #66717d); } svg .bar.State, svg .bar.Execution { opacity: .35; }
svg .bar.Compensation { fill: #b9770e; }
$css$;
COMMENT ON FUNCTION workflow.report_style() IS 'The style sheet of reports';

CREATE FUNCTION workflow.report_script() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN $js$
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const SVG = 'http://www.w3.org/2000/svg';

// element('td', {class: 'n'}, child, 'text', …): texts are text, whatever is in them
function element(name, attributes = {}, ...children) {
  const isSvg = ['svg', 'g', 'rect', 'path', 'text', 'title', 'circle', 'defs', 'marker'].includes(name);
  const made = isSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}
const shortened = (text, length) => text.length > length ? text.slice(0, length - 1) + '…' : text;
function asJson(value) {
  if (value === null || value === undefined) return '';
  const line = JSON.stringify(value);
  return line.length <= 100 ? line : JSON.stringify(value, null, 2);
}
const GAP_X = 28, GAP_Y = 46, PADDING = 16;

// A machine is drawn in rows: each state one below the last of those that lead to it, but for ways back.
function rowsOf(names, edges) {
  const next = new Map(names.map(name => [name, []]));
  const seen = new Map(), back = new Set(), order = [];
  for (const edge of edges) if (next.has(edge.source)) next.get(edge.source).push(edge);
  function visit(first) {
    const stack = [{name: first, rest: [...next.get(first)]}];
    seen.set(first, 1);
    while (stack.length) {
      const top = stack[stack.length - 1], edge = top.rest.shift();
      if (!edge) { seen.set(top.name, 2); order.unshift(top.name); stack.pop(); }
      else if (seen.get(edge.target) === 1) back.add(edge);
      else if (!seen.has(edge.target)) { seen.set(edge.target, 1); stack.push({name: edge.target, rest: [...next.get(edge.target)]}); }
    }
  }
  for (const name of names) if (!seen.has(name)) visit(name);
  const row = new Map(names.map(name => [name, 0]));
  for (const name of order)
    for (const edge of next.get(name))
      if (!back.has(edge)) row.set(edge.target, Math.max(row.get(edge.target), row.get(name) + 1));
  return {row, back};
}

// Ways over several rows have a place of their own in each, so that they pass beside the states there.
function withPlaces(boxes, edges, row, back) {
  const rows = [];
  const put = (item, r) => { (rows[r] ||= []).push(item); return item; };
  for (const box of boxes) put(box, row.get(box.name));
  const ways = edges.map(edge => {
    const [from, to] = back.has(edge) ? [edge.target, edge.source] : [edge.source, edge.target];
    const places = [boxes.find(box => box.name === from)];
    for (let r = row.get(from) + 1; r < row.get(to); r++) places.push(put({width: 12, height: 0, place: true}, r));
    places.push(boxes.find(box => box.name === to));
    return {edge, places, back: back.has(edge)};
  });
  for (let sweep = 0; sweep < 6; sweep++)
    for (const items of rows) {
      items.forEach((item, i) => { item.at = i; });
      for (const item of items) {
        const beside = ways.flatMap(way => {
          const i = way.places.indexOf(item);
          return i < 0 ? [] : [way.places[i - 1], way.places[i + 1]].filter(other => other && other.at !== undefined);
        });
        item.weight = beside.length ? beside.reduce((sum, other) => sum + other.at, 0) / beside.length : item.at;
      }
      items.sort((a, b) => a.weight - b.weight);
      items.forEach((item, i) => { item.at = i; });
    }
  return {rows, ways};
}

// Ways between the same two states are one, with the labels of all.
function withoutParallels(edges) {
  const ways = new Map();
  for (const edge of edges) {
    const key = JSON.stringify([edge.source, edge.target]), way = ways.get(key);
    if (way) way.label = [way.label, edge.label].filter(Boolean).join(' / ');
    else ways.set(key, {...edge});
  }
  return [...ways.values()];
}

function layout(machine) {
  const states = data.graph.states.filter(state => String(state.machine) === machine);
  const names = states.map(state => state.name);
  const edges = withoutParallels(data.graph.edges.filter(edge => names.includes(edge.source) && names.includes(edge.target)
                                                              && edge.source !== edge.target));
  const boxes = states.map(boxOf);
  if (machine === '')
    for (const edge of data.graph.edges.filter(edge => edge.kind.startsWith('On'))) {
      boxes.push({name: '\u0000' + edge.kind, label: edge.kind, width: 80, height: 24, handler: true});
      edges.push({...edge, source: '\u0000' + edge.kind});
    }
  const {row, back} = rowsOf(boxes.map(box => box.name), edges);
  const {rows, ways} = withPlaces(boxes, edges, row, back);
  const widths = rows.map(items => items.reduce((sum, item) => sum + item.width + GAP_X, -GAP_X));
  const width = Math.max(...widths);
  let y = PADDING;
  rows.forEach((items, r) => {
    let x = PADDING + (width - widths[r]) / 2;
    const height = Math.max(...items.map(item => item.height));
    for (const item of items) { item.x = x; item.y = y + (height - item.height) / 2; x += item.width + GAP_X; }
    y += height + GAP_Y;
  });
  return {boxes, ways, width: width + 2 * PADDING, height: y - GAP_Y + PADDING};
}

function boxOf(state) {
  const inner = [...new Set(data.graph.states.filter(other => other.parent === state.name).map(other => String(other.machine)))].map(layout);
  const label = shortened(state.name, 40);
  const sub = shortened([state.activity && state.activity !== state.name ? state.activity : state.type, data.notes[state.name]]
                        .filter(Boolean).join(' · '), 60);
  const text = Math.max(label.length * 7.4, sub.length * 6, 60) + 24;
  return {name: state.name, label, sub, state, inner,
          width: Math.max(text, inner.reduce((sum, machine) => sum + machine.width + PADDING, PADDING)),
          height: 44 + (inner.length ? Math.max(...inner.map(machine => machine.height)) + PADDING : 0)};
}

function drawMachine(into, machine, dx, dy) {
  for (const way of machine.ways) {
    const points = way.places.map(item => ({x: dx + item.x + item.width / 2, top: dy + item.y, bottom: dy + item.y + item.height}));
    let path = `M${points[0].x},${points[0].bottom}`;
    for (let i = 1; i < points.length; i++) {
      const middle = (points[i - 1].bottom + points[i].top) / 2;
      path += `C${points[i - 1].x},${middle} ${points[i].x},${middle} ${points[i].x},${points[i].top}`;
    }
    const arrow = way.back ? 'marker-start' : 'marker-end';
    into.append(element('path', {class: 'edge ' + way.edge.kind, d: path, [arrow]: 'url(#arrow)'},
                        element('title', {}, [way.edge.kind, way.edge.label].filter(Boolean).join(': '))));
    if (way.edge.label)
      into.append(element('text', {class: 'sub', x: (points[0].x + points[1].x) / 2 + 4, y: (points[0].bottom + points[1].top) / 2 + 3},
                          shortened(way.edge.label, 32)));
  }
  for (const box of machine.boxes) {
    const x = dx + box.x, y = dy + box.y, status = data.reached[box.name] && box.state && box.state.type === 'Fail' ? 'Failed' : data.reached[box.name];
    into.append(element('rect', {class: 'node ' + (status ? 'reached ' + status : ''), x, y, width: box.width, height: box.height,
                                 rx: box.state && box.state.type === 'Choice' ? 14 : 4},
                        element('title', {}, box.name.replace('\u0000', ''))));
    if (box.state && box.state.ends)
      into.append(element('rect', {class: 'node', style: 'fill:none;stroke-width:1', x: x + 3, y: y + 3, width: box.width - 6, height: box.height - 6, rx: 3}));
    into.append(element('text', {x: x + box.width / 2, y: y + (box.sub ? 19 : 16), 'text-anchor': 'middle'}, box.label));
    if (box.sub) into.append(element('text', {class: 'sub', x: x + box.width / 2, y: y + 34, 'text-anchor': 'middle'}, box.sub));
    let left = x + PADDING;
    for (const inner of box.inner || []) {
      into.append(element('rect', {class: 'machine', x: left, y: y + 44, width: inner.width, height: inner.height, rx: 4}));
      drawMachine(into, inner, left, y + 44);
      left += inner.width + PADDING;
    }
  }
}

function drawGraph() {
  const machine = layout('');
  const svg = element('svg', {width: machine.width, height: machine.height},
    element('defs', {}, element('marker', {id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto-start-reverse'},
                                element('path', {d: 'M0,0L8,4L0,8z', fill: '#8592a0'}))));
  drawMachine(svg, machine, 0, 0);
  document.getElementById('graph').append(svg);
}

function drawTimeline() {
  const LEFT = 260, WIDTH = 640, HEIGHT = 18, end = Math.max(data.total, 1e-6);
  const svg = element('svg', {width: LEFT + WIDTH + 220, height: data.spans.length * HEIGHT + 10});
  data.spans.forEach((span, i) => {
    const y = i * HEIGHT + 5, x = LEFT + WIDTH * span.from / end, width = Math.max(WIDTH * (span.to - span.from) / end, 2);
    svg.append(element('text', {x: 8 + 12 * span.depth, y: y + 12}, shortened(span.label, 38 - 2 * span.depth)),
      element('rect', {class: `bar ${span.kind} ${span.status}`, x, y: y + 2, width, height: HEIGHT - 6, rx: 2},
              element('title', {}, `${span.label}\n${span.status}${span.error ? ': ' + span.error : ''}\n+${span.from} s, ${span.took ?? 'goes on'}`)),
      element('text', {class: 'sub', x: Math.min(x + width, LEFT + WIDTH) + 6, y: y + 12},
              [span.took ?? '…', span.status === 'Completed' ? null : span.status, span.error].filter(Boolean).join(' ')));
  });
  document.getElementById('timeline').append(svg);
}

function fillTable(id, rows) {
  document.getElementById(id)?.append(...rows);
}
fillTable('facts', data.facts.map(([name, value]) => element('tr', {}, element('th', {}, name),
  element('td', {}, name === 'status' ? element('span', {class: 'badge ' + value}, value)
                    : typeof value === 'object' ? element('pre', {}, asJson(value)) : String(value)))));
if (data.graph.states) drawGraph();
if (data.spans) drawTimeline();
if (data.events)
  fillTable('events', data.events.map(event => element('tr', {class: 'event'}, element('td', {class: 'n'}, String(event.id)),
    element('td', {class: 'n'}, event.at), element('td', {}, event.type), element('td', {}, [event.state, event.branch && `[${event.branch}]`].filter(Boolean).join(' ')),
    element('td', {}, element('pre', {}, asJson(event.attributes))))));
$js$;
COMMENT ON FUNCTION workflow.report_script() IS 'The script of reports';

-- html_text: a text as it stands in HTML
CREATE FUNCTION workflow.html_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN replace(replace(replace(replace(content, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
COMMENT ON FUNCTION workflow.html_text(text) IS 'A text as it stands in HTML';

-- report_page: a page around what its script draws.  It allows itself nothing but what is in it: no request leaves it.
CREATE FUNCTION workflow.report_page(title text, body text, content jsonb) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN concat('<!DOCTYPE html>', E'\n<html lang="en"><head><meta charset="utf-8">',
                  '<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''; ',
                  'script-src ''unsafe-inline''"><title>', workflow.html_text(title), E'</title>\n<style>', workflow.report_style(),
                  E'</style></head><body>\n<h1>', workflow.html_text(title), E'</h1>\n', body,
                  E'\n<script type="application/json" id="data">', replace(content::text, '<', '\u003c'),
                  E'</script>\n<script>', workflow.report_script(), E'</script></body></html>\n');
COMMENT ON FUNCTION workflow.report_page(text, text, jsonb) IS 'A page of HTML';

-- duration_text: "1.5 s", "3 min 20 s", "2 d 4 h"
CREATE FUNCTION workflow.duration_text(seconds numeric) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN seconds < 0.0005 THEN '0 s'
                WHEN seconds < 1 THEN round(seconds * 1000) || ' ms'
                WHEN seconds < 60 THEN round(seconds, 1) || ' s'
                WHEN seconds < 3600 THEN concat(floor(seconds / 60), ' min ', floor(seconds % 60), ' s')
                WHEN seconds < 86400 THEN concat(floor(seconds / 3600), ' h ', floor(seconds % 3600 / 60), ' min')
                ELSE concat(floor(seconds / 86400), ' d ', floor(seconds % 86400 / 3600), ' h') END;
COMMENT ON FUNCTION workflow.duration_text(numeric) IS 'A time in seconds, as people say it';

-- report_html: a run as a page of HTML that needs nothing else: where it went in its definition, how long everything
-- took, its inputs, outputs, errors and events.  As much of it as the current user may read, without what the definition
-- hides (Redact).
--   workflow_id  means its open run, else its latest; the other form takes a run id
-- Raises OW005 when there is no such run.
CREATE FUNCTION workflow.report_html(run_id uuid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    run        record;
    definition text;
    content    jsonb;
BEGIN
    SELECT * INTO run FROM workflow.get_execution(report_html.run_id);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OW005', MESSAGE = format('run %s does not exist', report_html.run_id);
    END IF;
    SELECT d.source INTO definition
    FROM workflow.definitions d WHERE d.workflow = run.workflow AND d.version = run.version;
    WITH span AS MATERIALIZED (
        SELECT s.*, coalesce(s.ended_at, greatest(workflow.now(), s.started_at)) AS until,
               extract(epoch FROM s.started_at - run.started_at) AS since
        FROM workflow.run_spans(report_html.run_id) s
    )
    SELECT jsonb_build_object(
        'facts', (SELECT jsonb_agg(jsonb_build_array(f.name, f.value) ORDER BY f.n)
                  FROM (VALUES (1, 'status', to_jsonb(run.status)), (2, 'workflow', to_jsonb(concat(run.workflow, ', version ', run.version))),
                               (3, 'run id', to_jsonb(run.run_id)), (4, 'state', to_jsonb(run.state)),
                               (5, 'started', to_jsonb(run.started_at::text)), (6, 'closed', to_jsonb(run.closed_at::text)),
                               (7, 'took', to_jsonb(workflow.duration_text(extract(epoch FROM run.closed_at - run.started_at)))),
                               (8, 'error', to_jsonb(nullif(concat_ws(': ', run.error, nullif(run.cause, '')), ''))),
                               (9, 'stuck', workflow.redacted(run.workflow, run.version, run.stuck, true)),
                               (10, 'input', workflow.redacted(run.workflow, run.version, run.input)),
                               (11, 'output', workflow.redacted(run.workflow, run.version, run.output)),
                               (12, 'memo', workflow.redacted(run.workflow, run.version, run.memo))) AS f (n, name, value)
                  WHERE f.value IS NOT NULL),
        'graph', coalesce(workflow.report_graph(definition), '{}'),
        'reached', (SELECT coalesce(jsonb_object_agg(s.state, s.status), '{}')
                    FROM (SELECT DISTINCT ON (p.state) p.state,
                                 CASE WHEN p.kind = 'Compensation' AND p.status = 'Completed' THEN 'Undone' ELSE p.status END AS status
                          FROM span p WHERE p.state IS NOT NULL
                          ORDER BY p.state, p.status = 'Running' DESC, p.event_id DESC) s),
        'notes', (SELECT coalesce(jsonb_object_agg(s.state, s.note), '{}')
                  FROM (SELECT p.state, nullif(concat_ws(', ', nullif(count(*) FILTER (WHERE p.kind <> 'Compensation'), 1) || ' times',
                                   CASE WHEN bool_or(p.kind = 'Compensation' AND p.status = 'Completed') THEN 'undone' END), '') AS note
                        FROM span p WHERE p.state IS NOT NULL GROUP BY p.state) s
                  WHERE s.note IS NOT NULL),
        'total', (SELECT max(extract(epoch FROM p.until - run.started_at)) FROM span p),
        'spans', (SELECT jsonb_agg(jsonb_build_object(
                             'label', CASE p.kind WHEN 'Execution' THEN p.name WHEN 'Compensation' THEN concat('undo ', p.state, ': ', p.activity)
                                                  ELSE concat_ws(': ', p.state, nullif(p.activity, p.state)) END
                                      || CASE WHEN p.attempt > 1 THEN ' #' || p.attempt ELSE '' END,
                             'kind', p.kind, 'status', p.status, 'depth', p.depth + (p.kind <> 'Execution')::int, 'error', p.error,
                             'from', p.since, 'to', extract(epoch FROM p.until - run.started_at),
                             'took', workflow.duration_text(extract(epoch FROM p.ended_at - p.started_at))) ORDER BY p.event_id, p.kind <> 'Execution')
                  FROM span p),
        'events', (SELECT jsonb_agg(jsonb_build_object('id', h.event_id, 'at', to_char(h.event_time, 'YYYY-MM-DD HH24:MI:SS.MS'),
                                                       'type', h.event_type, 'state', h.state, 'branch', h.branch_id,
                                                       'attributes', workflow.redacted(run.workflow, run.version, h.attributes, true))
                                      ORDER BY h.event_id)
                   FROM workflow.get_history(report_html.run_id) h))
    INTO content;
    RETURN workflow.report_page(run.workflow_id,
        '<table id="facts"></table><h2>States</h2><div class="scroll" id="graph"></div><h2>Timeline</h2>'
        || '<div class="scroll" id="timeline"></div><h2>Events</h2><table id="events"></table>', content);
END
$$;
COMMENT ON FUNCTION workflow.report_html(uuid) IS 'A run as a page of HTML';

CREATE FUNCTION workflow.report_html(workflow_id text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run_id uuid;
BEGIN
    SELECT e.run_id INTO run_id FROM workflow.get_execution(report_html.workflow_id) e;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OW005', MESSAGE = format('workflow id "%s" has no run', report_html.workflow_id),
              HINT = 'It was never started, or you may not see it.';
    END IF;
    RETURN workflow.report_html(run_id);
END
$$;
COMMENT ON FUNCTION workflow.report_html(text) IS 'A workflow id''s run as a page of HTML';

-- report_html: the same of a whole definition, with how many open runs are in each state
--   version  the current one by default
-- Raises OW002 for an unknown workflow, OW006 for an unknown version.
CREATE FUNCTION workflow.report_definition_html(workflow text, version int DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    definition record;
    content    jsonb;
BEGIN
    -- it knows what is unknown, and says so
    PERFORM workflow.describe(workflow, version, 'states');
    SELECT d.version, d.source INTO definition
    FROM workflow.definitions d
    WHERE d.workflow = report_definition_html.workflow AND (d.version = report_definition_html.version OR (report_definition_html.version IS NULL AND d.is_current));
    WITH standing AS MATERIALIZED (
        SELECT s.state, s.status, count(*) AS n
        FROM (SELECT e.state, e.status FROM workflow.executions e
              WHERE e.closed_at IS NULL AND e.workflow = report_definition_html.workflow AND e.version = definition.version
              UNION ALL
              SELECT b.state, 'Running' FROM workflow.branches b
              JOIN workflow.executions e ON e.shard_key = b.shard_key AND e.run_id = b.run_id
              WHERE b.status = 'Running' AND e.workflow = report_definition_html.workflow AND e.version = definition.version) s
        WHERE s.state IS NOT NULL
        GROUP BY s.state, s.status
    )
    SELECT jsonb_build_object(
        'facts', (SELECT jsonb_agg(jsonb_build_array(f.status, f.n) ORDER BY f.status)
                  FROM (SELECT e.status, count(*) AS n FROM workflow.executions e
                        WHERE e.workflow = report_definition_html.workflow AND e.version = definition.version GROUP BY e.status) f),
        'graph', workflow.report_graph(definition.source),
        'reached', (SELECT coalesce(jsonb_object_agg(s.state, s.status), '{}')
                    FROM (SELECT DISTINCT ON (t.state) t.state, t.status FROM standing t ORDER BY t.state, t.status <> 'Stuck', t.n DESC) s),
        'notes', (SELECT coalesce(jsonb_object_agg(s.state, s.note), '{}')
                  FROM (SELECT t.state, string_agg(concat(t.n, ' ', lower(t.status)), ', ' ORDER BY t.status) AS note
                        FROM standing t GROUP BY t.state) s))
    INTO content;
    RETURN workflow.report_page(concat(workflow, ', version ', definition.version),
        '<table id="facts"></table><h2>States</h2><div class="scroll" id="graph"></div>',
        jsonb_set(content, '{facts}', coalesce(nullif(content->'facts', 'null'), '[]')));
END
$$;
COMMENT ON FUNCTION workflow.report_definition_html(text, int) IS 'A definition as a page of HTML, with its open runs by state';
