//! A request to another server: in its era, in its session where it has begun one, and once more where that has ended.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::value::RawValue;

use super::{
    HOPS, HOPS_MAX, Remote,
    failure::Failure,
    known::Known,
    post::{self, Heard},
};
use crate::{
    http::headers,
    model::LoggingLevel,
    platform::Platform,
    seal::random_id,
    session::HEADER as SESSION_ID,
    version::{Era, ProtocolVersion},
    wire::{
        client::{self, Meta, Notice, Params, Peer, Refusal},
        definition, jsonrpc,
    },
};

/// How often a stream that ended before its answer is gone on with.
const RESUMES_MAX: usize = 8;

/// How long to wait before that, at the most.
const RESUME_WAIT_MAX: Duration = Duration::from_secs(2);

/// What a request is made for: a server, and whoever asks this one.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) remote: &'a Remote,
    pub(super) platform: &'a Platform,
    /// The headers of the request that this one is made for.
    pub(super) caller: &'a HeaderMap,
    pub(super) known: &'a Arc<Known>,
}

/// What is asked.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    /// What gateways route by: a name or a URI.
    pub(super) name: Option<&'a str>,
    pub(super) params: Params<'a>,
    /// The arguments that headers repeat.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What the client can be asked, a `ClientCapabilities`.
    pub(super) capabilities: Option<&'a RawValue>,
    pub(super) log_level: Option<LoggingLevel>,
    pub(super) reports_progress: bool,
    /// Whether the headers go along that are forwarded.
    pub(super) forwards: bool,
}

impl<'a> Request<'a> {
    /// A request that everybody asks alike.
    pub(super) fn plain(method: &'static str, params: Params<'a>) -> Self {
        Self {
            method,
            name: None,
            params,
            headers: Vec::new(),
            capabilities: None,
            log_level: None,
            reports_progress: false,
            forwards: false,
        }
    }
}

/// A result, and what was said before it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Box<RawValue>,
    pub(super) notices: Vec<Notice>,
}

/// What the first question to a server shows.
enum Probe {
    Modern(Peer),
    Legacy,
}

impl Client<'_> {
    /// Asks `request`.
    ///
    /// # Errors
    /// [`Failure`], where there is no result.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let (peer, is_old) = match self.known.peer() {
            Some(peer) => (peer, true),
            None => {
                self.known.look(self.remote, self.platform, self.caller).await;
                match self.known.peer() {
                    Some(peer) => (peer, true),
                    None => (self.meet().await?, false),
                }
            }
        };
        let heard = self.send(&peer, request).await?;
        if !is_old || !is_lost(&peer, &heard) {
            return answer(heard);
        }
        // It was not served, so it can be sent again.
        self.known.forget(&peer);
        let peer = self.meet().await?;
        answer(self.send(&peer, request).await?)
    }

    /// How the server is spoken to, where that is known.
    pub(super) async fn peer(&self) -> Result<Arc<Peer>, Failure> {
        match self.known.peer() {
            Some(peer) => Ok(peer),
            None => self.meet().await,
        }
    }

    /// Finds out how the server is spoken to, and begins a session where it takes that.
    async fn meet(&self) -> Result<Arc<Peer>, Failure> {
        let peer = match self.remote.config.era {
            Some(Era::Legacy) => self.initialize().await?,
            era => match self.discover().await? {
                Probe::Modern(peer) => peer,
                Probe::Legacy if era.is_none() => self.initialize().await?,
                Probe::Legacy => {
                    return Err(Failure::Foreign(
                        "it does not speak 2026-07-28, which `Remote::era` asks for".to_owned(),
                    ));
                }
            },
        };
        let peer = Arc::new(peer);
        self.known.set_peer(self.remote, self.platform, self.caller, Arc::clone(&peer)).await;
        Ok(peer)
    }

    /// Asks as a client of 2026-07-28 does what the server is (2026-07-28, basic/transports/streamable-http, "Backward
    /// Compatibility").
    async fn discover(&self) -> Result<Probe, Failure> {
        let modern =
            Peer { version: ProtocolVersion::V2026_07_28, session: None, offers: Default::default() };
        let heard = self.send(&modern, &Request::plain("server/discover", Params::default())).await?;
        let speaks = |revisions: &[String], era| {
            revisions
                .iter()
                .any(|name| ProtocolVersion::parse(name).is_some_and(|version| version.era() == era))
        };
        let neither = |revisions: &[String]| {
            let revisions: Vec<_> = revisions.iter().take(9).map(|name| crate::limits::echo(name)).collect();
            Err(Failure::Foreign(format!("it speaks none of our revisions, but {}", revisions.join(", "))))
        };
        match &heard.outcome {
            Some(Ok(result)) => match client::introduction(result) {
                Some(said) if said.supported.is_empty() => Ok(Probe::Legacy),
                Some(said) if speaks(&said.supported, Era::Modern) => {
                    Ok(Probe::Modern(Peer { offers: said.offers, ..modern }))
                }
                Some(said) if speaks(&said.supported, Era::Legacy) => Ok(Probe::Legacy),
                Some(said) => neither(&said.supported),
                None => Ok(Probe::Legacy),
            },
            Some(Err(Refusal { code: -32022, data, .. })) => {
                let supported = client::supported(data.as_ref());
                match speaks(&supported, Era::Legacy) {
                    true => Ok(Probe::Legacy),
                    false => neither(&supported),
                }
            }
            Some(Err(refusal @ Refusal { code: -32020 | -32021, .. })) => {
                Err(Failure::Refused(refusal.clone()))
            }
            Some(Err(_)) => Ok(Probe::Legacy),
            None => match heard.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                    Err(heard.failure())
                }
                status if status.is_client_error() || status.is_success() => Ok(Probe::Legacy),
                _ => Err(heard.failure()),
            },
        }
    }

    /// Begins as a legacy client does (2025-11-25, basic/lifecycle).
    async fn initialize(&self) -> Result<Peer, Failure> {
        let (nothing, info) = (client::capabilities(std::iter::empty()), self.client_info());
        let unknown =
            Peer { version: ProtocolVersion::LATEST_LEGACY, session: None, offers: Default::default() };
        let request = Request::plain("initialize", Params::initialize(&nothing, &info));
        let heard = self.send(&unknown, &request).await?;
        let session = heard.session.clone();
        let result = answer(heard)?.result;
        let said = client::introduction(&result).and_then(|said| Some((said.settled?, said.offers)));
        let (settled, offers) = said.ok_or_else(|| {
            Failure::Foreign("what it answers `initialize` with is no InitializeResult".to_owned())
        })?;
        let version = ProtocolVersion::parse(&settled)
            .filter(|version| version.era() == Era::Legacy)
            .ok_or_else(|| {
                Failure::Foreign(format!(
                    "it speaks revision {}, which is none of ours",
                    crate::limits::echo(&settled)
                ))
            })?;
        let peer = Peer { version, session, offers };
        let headers = self.headers(&peer, None)?;
        let initialized = jsonrpc::notification("notifications/initialized", None::<()>);
        let heard = post::send(&self.remote.config, self.platform, headers, Some(initialized), "").await?;
        match heard.status.is_success() {
            true => Ok(peer),
            false => Err(heard.failure()),
        }
    }

    fn client_info(&self) -> Box<RawValue> {
        definition::client("edgemcp", env!("CARGO_PKG_VERSION"))
    }

    /// Sends `request` in the era of `peer`, and reads all that answers it.
    async fn send(&self, peer: &Peer, request: &Request<'_>) -> Result<Heard, Failure> {
        let config = &self.remote.config;
        let headers = self.headers(peer, Some(request))?;
        // Unique in the session of the legacy era, whichever instance it comes from.
        let id =
            random_id(self.platform.random()).map_err(|error| Failure::Misconfigured(error.to_string()))?;
        let (nothing, info) = (client::capabilities(std::iter::empty()), self.client_info());
        let progress_token = request.reports_progress.then_some(1);
        let meta = match peer.version.era() {
            Era::Modern => Some(Meta {
                protocol_version: Some(peer.version.as_str()),
                client_capabilities: Some(request.capabilities.unwrap_or(&nothing)),
                client_info: Some(&info),
                log_level: request.log_level.map(LoggingLevel::as_str),
                progress_token,
            }),
            Era::Legacy => progress_token.map(|_| Meta { progress_token, ..Meta::default() }),
        };
        let body = client::request(&id, request.method, Params { meta, ..request.params });
        let mut heard = post::send(config, self.platform, headers, Some(body), &id).await?;
        for _ in 0..RESUMES_MAX {
            let Some((last, wait)) = heard.goes_on.take().filter(|_| peer.version.era() == Era::Legacy)
            else {
                break;
            };
            // The server lets go of the connection, and is come back to (2025-11-25, basic/transports, "Resumability").
            self.platform.sleep(wait.min(RESUME_WAIT_MAX)).await;
            let mut headers = self.headers(peer, None)?;
            let Ok(last) = HeaderValue::from_str(&last) else { break };
            headers.insert(headers::LAST_EVENT_ID, last);
            let before = std::mem::take(&mut heard.notices);
            heard = post::send(config, self.platform, headers, None, &id).await?;
            heard.notices.splice(0..0, before);
        }
        Ok(heard)
    }

    /// The headers of a message to `peer`.
    fn headers(&self, peer: &Peer, request: Option<&Request<'_>>) -> Result<HeaderMap, Failure> {
        let config = &self.remote.config;
        let mut headers = post::configured(config, self.platform)?;
        let hops =
            self.caller.get(&HOPS).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0_u32);
        if hops >= HOPS_MAX {
            return Err(Failure::Circle(hops));
        }
        headers.insert(HOPS, HeaderValue::from(hops + 1));
        if config.forwards_authorization
            && let Some(token) = self.caller.get(http::header::AUTHORIZATION)
        {
            headers.insert(http::header::AUTHORIZATION, token.clone());
        }
        if request.is_some_and(|request| request.forwards) {
            for name in &config.forwarded {
                if let Some(value) = self.caller.get(name) {
                    headers.insert(name, value.clone());
                }
            }
        }
        let value = |text: &str| HeaderValue::from_str(&headers::encode(text));
        let is_beginning = request.is_some_and(|request| request.method == "initialize");
        // Revision 2025-03-26 does not know the header, and a handshake settles what it would say.
        if !is_beginning && peer.version > ProtocolVersion::V2025_03_26 {
            headers.insert(headers::PROTOCOL_VERSION, HeaderValue::from_static(peer.version.as_str()));
        }
        if let Some(session) = peer.session.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(SESSION_ID, session);
        }
        if let (Some(request), Era::Modern) = (request, peer.version.era()) {
            headers.insert(headers::METHOD, HeaderValue::from_static(request.method));
            if let Some(Ok(name)) = request.name.map(value) {
                headers.insert(headers::NAME, name);
            }
            headers.extend(request.headers.iter().cloned());
        }
        Ok(headers)
    }
}

/// Whether what was known of the server is no longer so: its session has ended, or it is of another era now. The request
/// was not served then.
fn is_lost(peer: &Peer, heard: &Heard) -> bool {
    let status = heard.status;
    match (peer.version.era(), &heard.outcome) {
        // Servers that have lost a session say either.
        (Era::Legacy, _) => matches!(status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST),
        (Era::Modern, Some(Ok(_))) => false,
        (Era::Modern, Some(Err(Refusal { code: -32022, .. }))) => true,
        (Era::Modern, Some(Err(Refusal { code, .. }))) => {
            status == StatusCode::BAD_REQUEST && matches!(code, -32000 | -32600)
        }
        (Era::Modern, None) => {
            matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        }
    }
}

fn answer(heard: Heard) -> Result<Answer, Failure> {
    let failure = heard.failure();
    match heard.outcome {
        Some(Ok(result)) => Ok(Answer { result, notices: heard.notices }),
        Some(Err(refusal)) => Err(match heard.status {
            // The status says more than the message: who refuses stands before the protocol.
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => failure,
            _ => Failure::Refused(refusal),
        }),
        None => Err(failure),
    }
}
