//! Traces, sent by OTLP over HTTP (OpenTelemetry's semantic conventions for HTTP and databases).
//!
//! Spans are `tracing`'s, so they go where a task goes, and every line of the log within one says its
//! `trace_id`. What else they hold is set as OpenTelemetry's attributes, which the log does not repeat.
//! While traces are off no span is made: one costs more than a view.

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

/// The target of spans: these go to OpenTelemetry, and nothing else does.
const TARGET: &str = "shared_chats::trace";

/// What the log has to let through, whatever `RUST_LOG` says, for its lines to say their trace.
pub const LOG_DIRECTIVE: &str = "shared_chats::trace=info";

static ON: AtomicBool = AtomicBool::new(false);

fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Traces cannot be sent.
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
    /// Starts sending, on `runtime`, to where OpenTelemetry's standard variables say
    /// (`OTEL_EXPORTER_OTLP_ENDPOINT` and its like, which the SDK reads by itself). Spans that the
    /// collector does not take in time are dropped; no request waits for it.
    ///
    /// # Errors
    /// [`StartTracesError`] when one of the variables is wrong.
    pub fn start(runtime: &Handle) -> Result<Self, StartTracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(OtlpClient::new(runtime.clone())?)
            .build()?;
        let resource = Resource::builder();
        let is_named = |name: &str| std::env::var(name).is_ok_and(|text| !text.is_empty());
        let resource = match is_named("OTEL_SERVICE_NAME") {
            true => resource,
            false => resource.with_service_name("shared-chats"),
        };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.with_attribute(version).build())
            .with_batch_exporter(exporter)
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Self { provider })
    }

    /// What `tracing`'s subscriber passes spans on to.
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

    /// Sends what is left, for at most this long.
    pub fn finish(self, within: Duration) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The span of a request, from its head to the head of its answer.
pub struct RequestSpan(Span);

impl RequestSpan {
    /// Begins it, as a part of the trace that the client says it is in (W3C Trace Context); `None`
    /// while traces are off.
    #[must_use]
    pub fn begin<'a>(method: &str, header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        if !is_on() {
            return None;
        }
        let parent = |name: &str| header(name).map(str::to_owned);
        let told = Told { traceparent: parent("traceparent"), tracestate: parent("tracestate") };
        let span = tracing::info_span!(target: TARGET, parent: None, "request", otel.kind = "server", trace_id = field::Empty);
        // It fails where nobody listens to spans.
        let _ = span
            .set_parent(TraceContextPropagator::new().extract_with_context(&Context::new(), &told));
        let method = known(method);
        rename(&span, method);
        span.set_attribute(
            "http.request.method",
            if method == "other" { "_OTHER" } else { method },
        );
        let context = span.context();
        let trace_id = context.span().span_context().trace_id();
        span.record("trace_id", field::display(trace_id));
        Some(Self(span))
    }

    /// Runs what belongs to the request.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.0.clone()).await
    }

    /// What came of it.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16) {
        if let Some(route) = route {
            rename(&self.0, format!("{} {route}", known(method)));
            self.0.set_attribute("http.route", route.to_owned());
        }
        set_status(&self.0, status, 500);
    }
}

/// Runs a query as a span of its own, where there is a trace to be a part of.
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

/// A call to another service by HTTP.
pub struct CallSpan(Span);

impl CallSpan {
    /// Begins it. `template` is the path with the names of its variable parts; `None` while traces
    /// are off, or where there is none to be a part of.
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

    /// The headers by which the other side can go on with the trace (W3C Trace Context): never any
    /// baggage.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut told = Told::default();
        TraceContextPropagator::new().inject_context(&self.0.context(), &mut told);
        let headers = [("traceparent", told.traceparent), ("tracestate", told.tracestate)];
        let said = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        said.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Waits for the answer's head.
    pub async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        call.instrument(self.0.clone()).await
    }

    /// What came of it; `None` is no answer.
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
struct Told {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Extractor for Told {
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

impl Injector for Told {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.traceparent = Some(value),
            "tracestate" => self.tracestate = Some(value),
            _ => {}
        }
    }
}
