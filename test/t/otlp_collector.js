// An OpenTelemetry collector that takes what the protocol's own definitions take, and says what they make of it.
//
//   otlp_collector.js MODULES FILE
//       MODULES is where npm has put @opentelemetry/otlp-transformer. Prints its port; to FILE go lines of JSON, one for each request:
//       {"problems": [...], "spans": [...]}. A request with problems is refused.
'use strict';
const fs = require('fs');
const http = require('http');
const root = require(process.argv[2] + '/@opentelemetry/otlp-transformer/build/src/generated/root');
const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
const {Span, Status} = root.opentelemetry.proto.trace.v1;

const BYTES = {traceId: 16, spanId: 8, parentSpanId: 8};

// In OTLP/JSON ids are hexadecimal; in the JSON of Protocol Buffers, bytes are base64.
function withBytes(value, key, problems) {
  if (key in BYTES && typeof value === 'string') {
    if (!new RegExp(`^[0-9a-f]{${2 * BYTES[key]}}$`).test(value)) problems.push(`${key}: ${value}`);
    if (/^0*$/.test(value)) problems.push(`${key} is zero`);
    return Buffer.from(value, 'hex').toString('base64');
  }
  if (Array.isArray(value)) return value.map(each => withBytes(each, '', problems));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withBytes(each, name, problems)]));
  }
  return value;
}

// What was sent, as it comes back: a field that the definitions do not know, or have as another type, does not.
function compare(sent, got, path, problems) {
  if (typeof sent !== 'object' || sent === null) {
    if (sent !== got) problems.push(`${path}: ${JSON.stringify(sent)} has become ${JSON.stringify(got)}`);
    return;
  }
  for (const [key, value] of Object.entries(sent)) {
    if (got === null || typeof got !== 'object' || !(key in got)) problems.push(`${path}.${key} is unknown`);
    else compare(value, got[key], `${path}.${key}`, problems);
  }
}

function checkAttributes(attributes, where, problems) {
  const keys = (attributes || []).map(each => each.key);
  if (new Set(keys).size !== keys.length) problems.push(`${where}: two attributes of a name`);
}

function checkSpan(span, problems) {
  const start = BigInt(span.startTimeUnixNano), end = BigInt(span.endTimeUnixNano);
  if (end < start) problems.push(`${span.name} ends before it starts`);
  if (!span.traceId || !span.spanId || !span.name) problems.push(`${span.name} lacks what each span has`);
  if (!(span.kind in Span.SpanKind)) problems.push(`${span.name}: kind ${span.kind}`);
  if (!(span.status.code in Status.StatusCode)) problems.push(`${span.name}: status ${span.status.code}`);
  checkAttributes(span.attributes, span.name, problems);
  for (const event of span.events || []) {
    checkAttributes(event.attributes, event.name, problems);
    if (BigInt(event.timeUnixNano) < start || BigInt(event.timeUnixNano) > end) problems.push(`${event.name} is out of ${span.name}`);
  }
  for (const link of span.links || []) checkAttributes(link.attributes, 'link', problems);
}

function take(text) {
  const problems = [], spans = [];
  try {
    const sent = withBytes(JSON.parse(text), '', problems);
    const message = Request.fromObject(sent);
    const fault = Request.verify(message);
    if (fault) problems.push(fault);
    const wire = Request.encode(message).finish();
    const got = Request.toObject(Request.decode(wire), {bytes: String, longs: String, enums: Number, defaults: true, oneofs: false});
    compare(sent, got, 'request', problems);
    for (const scope of JSON.parse(text).resourceSpans.flatMap(each => each.scopeSpans)) {
      for (const span of scope.spans) {
        checkSpan(span, problems);
        spans.push(span);
      }
    }
  } catch (error) {
    problems.push(String(error));
  }
  return {problems, spans};
}

http.createServer((request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => {
    const taken = take(Buffer.concat(parts).toString());
    fs.appendFileSync(process.argv[3], JSON.stringify(taken) + '\n');
    response.writeHead(taken.problems.length ? 400 : 200, {'Content-Type': 'application/json'});
    response.end('{}');
  });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
