//! Traces, sent by OTLP over HTTP (OpenTelemetry's semantic conventions for HTTP and databases).
//!
//! Spans are those of `tracing`, so they follow a task, and every log line within one has its
//! `trace_id`. Their attributes are OpenTelemetry's, which the log does not repeat. While traces
//! are off no span is created: one costs more than a view.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{Status, TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Instrument, Span, Subscriber, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::requests::known;

mod client;

use client::OtlpClient;

/// The target of spans for OpenTelemetry.
const TARGET: &str = "shared_chats::trace";

/// A directive that the log's filter needs for lines to have their `trace_id`.
pub const LOG_DIRECTIVE: &str = "shared_chats::trace=info";

/// How much of a client's `tracestate` is passed on (W3C Trace Context, 3.3.1.5: at least 512).
const MAX_TRACESTATE_BYTES: usize = 512;

static ON: AtomicBool = AtomicBool::new(false);

fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

#[derive(Debug, thiserror::Error)]
pub enum StartTracesError {
    #[error("the exporter of traces: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("the HTTP client for traces: {0}")]
    Client(#[from] reqwest::Error),
}

/// Sends traces until [`Traces::finish`].
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts sending, on `runtime`, to the endpoint of OpenTelemetry's standard variables
    /// (`OTEL_EXPORTER_OTLP_ENDPOINT` and others, which the SDK reads by itself). Spans that the
    /// collector does not accept in time are dropped; no request waits for it.
    pub fn start(runtime: &Handle) -> Result<Self, StartTracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(OtlpClient::new(runtime.clone())?)
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let mut resource = Resource::builder().with_attribute(version);
        if !std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty()) {
            resource = resource.with_service_name("shared-chats");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Self { provider })
    }

    /// The layer of the subscriber that exports spans.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("shared-chats"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }

    /// Sends the remaining spans.
    pub fn finish(self, within: Duration) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The span of a request, from its head to the head of the response.
pub struct RequestSpan(Span);

impl RequestSpan {
    /// Begins a span in the client's trace, if it sends one (W3C Trace Context); `None` while
    /// traces are off.
    #[must_use]
    pub fn begin<'a>(method: &str, header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        if !is_on() {
            return None;
        }
        let parent = TraceHeaders {
            traceparent: header("traceparent").map(str::to_owned),
            tracestate: header("tracestate").map(|state| first_members(state).to_owned()),
        };
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &parent);
        let span = tracing::info_span!(target: TARGET, parent: None, "request", otel.kind = "server", trace_id = field::Empty);
        // Fails while no subscriber is installed.
        let _ = span.set_parent(parent);
        let method = known(method);
        rename(&span, method);
        let method = if method == "other" { "_OTHER" } else { method };
        span.set_attribute("http.request.method", method);
        let trace_id = span.context().span().span_context().trace_id();
        span.record("trace_id", field::display(trace_id));
        Some(Self(span))
    }

    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.0.clone()).await
    }

    pub fn answered(&self, method: &str, route: Option<&str>, status: u16) {
        if let Some(route) = route {
            rename(&self.0, format!("{} {route}", known(method)));
            self.0.set_attribute("http.route", route.to_owned());
        }
        set_status(&self.0, status, 500);
    }
}

/// Runs work that several requests share in a trace of its own.
pub async fn shared_work<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    if !is_on() {
        return work.await;
    }
    let span = tracing::info_span!(target: TARGET, parent: None, "shared work");
    rename(&span, name);
    work.instrument(span).await
}

/// The first members of a list of vendors' states, in at most [`MAX_TRACESTATE_BYTES`].
fn first_members(state: &str) -> &str {
    if state.len() <= MAX_TRACESTATE_BYTES {
        return state;
    }
    // One byte more: a member may end right at the bound.
    let end = state.as_bytes()[..=MAX_TRACESTATE_BYTES].iter().rposition(|byte| *byte == b',');
    end.map_or("", |end| &state[..end])
}

/// Runs a query in a span of its own, if there is a current trace.
pub async fn traced_query<T, E>(
    system: &'static str,
    kind: &'static str,
    query: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    if !is_on() || Span::current().is_none() {
        return query.await;
    }
    let span = tracing::info_span!(target: TARGET, "database", otel.kind = "client");
    rename(&span, kind);
    span.set_attribute("db.system.name", system);
    span.set_attribute("db.operation.name", kind);
    let result = query.instrument(span.clone()).await;
    if result.is_err() {
        span.set_status(Status::error(""));
    }
    result
}

/// The span of an HTTP call to another service.
pub struct CallSpan(Span);

impl CallSpan {
    /// `template` is the path with the names of its variable parts. `None` without a current trace.
    #[must_use]
    pub fn begin(
        method: &'static str,
        template: &str,
        host: &str,
        port: Option<u16>,
    ) -> Option<Self> {
        if !is_on() || Span::current().is_none() {
            return None;
        }
        let span = tracing::info_span!(target: TARGET, "call", otel.kind = "client");
        rename(&span, format!("{method} {template}"));
        span.set_attribute("http.request.method", method);
        span.set_attribute("url.template", template.to_owned());
        span.set_attribute("server.address", host.to_owned());
        if let Some(port) = port {
            span.set_attribute("server.port", i64::from(port));
        }
        Some(Self(span))
    }

    /// The headers that continue the trace (W3C Trace Context), without baggage.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = TraceHeaders::default();
        TraceContextPropagator::new().inject_context(&self.0.context(), &mut headers);
        [("traceparent", headers.traceparent), ("tracestate", headers.tracestate)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
            .collect()
    }

    pub async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        call.instrument(self.0.clone()).await
    }

    /// `None` when there was no response.
    pub fn answered(&self, status: Option<u16>) {
        match status {
            Some(status) => set_status(&self.0, status, 400),
            None => self.0.set_status(Status::error("no answer")),
        }
    }
}

fn rename(span: &Span, name: impl Into<Cow<'static, str>>) {
    span.context().span().update_name(name);
}

fn set_status(span: &Span, status: u16, error_from: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= error_from {
        span.set_attribute("error.type", status.to_string());
        span.set_status(Status::error(""));
    }
}

/// The two headers of W3C Trace Context.
#[derive(Default)]
struct TraceHeaders {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Extractor for TraceHeaders {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent.as_deref(),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

impl Injector for TraceHeaders {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.traceparent = Some(value),
            "tracestate" => self.tracestate = Some(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_tracestate_is_cut_between_its_members() {
        let members = |number: usize| vec!["vendor=0123456789"; number].join(",");
        assert_eq!(first_members(&members(3)), members(3));
        assert_eq!(first_members(&members(100)), members(28));
        assert!(members(28).len() <= MAX_TRACESTATE_BYTES);
        let at_the_bound = format!("v={}", "x".repeat(MAX_TRACESTATE_BYTES - 2));
        assert_eq!(first_members(&format!("{at_the_bound},w=1")), at_the_bound);
        assert_eq!(first_members(&"x".repeat(MAX_TRACESTATE_BYTES + 1)), "");
    }
}
