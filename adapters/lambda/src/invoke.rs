//! Has tasks done by another invocation of this function: Lambda freezes a function once it has answered, and what is
//! invoked asynchronously (`InvocationType` `Event`) waits in Lambda's own queue for an instance that is not frozen.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use edgemcp::{
    future::BoxFuture,
    platform::{Clock, Delegate, DelegateError, Fetch as _, FetchError, Vars},
};
use http::{Request, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    dynamodb::DynamoDbConfig,
    event,
    fetch::{Https, HttpsFetch, chain},
    settings::TASKS,
};

/// How long one attempt to invoke the function may take. Lambda answers once the event is in its queue.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often it is tried. An event that came twice does no harm, since a lease has one of the two run the task.
const ATTEMPTS_MAX: u32 = 3;

/// The first pause between two attempts.
const BACKOFF: Duration = Duration::from_millis(100);

/// What says in a request that its answer is not waited for.
const INVOCATION_TYPE: (&str, &str) = ("x-amz-invocation-type", "Event");

/// What must be escaped in a part of a path.
const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// This function, as it must be named to be invoked.
#[derive(Debug)]
pub(crate) struct Itself {
    uri: Uri,
    region: String,
    /// Its debug form does not show the keys.
    identity: Identity,
}

impl Itself {
    /// The function that the environment names, in the region and with the keys of its store.
    ///
    /// # Errors
    /// What is missing or cannot be meant, and what to set.
    pub(crate) fn from_vars(vars: &dyn Vars, table: &DynamoDbConfig) -> Result<Self, String> {
        let Some(name) = vars.var("AWS_LAMBDA_FUNCTION_NAME") else {
            return Err(format!(
                "`{TASKS}` is `invoke` but `AWS_LAMBDA_FUNCTION_NAME` is not set (AWS Lambda sets it, and so does \
                 `cargo lambda watch`)"
            ));
        };
        let region = table.region();
        let set = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|variable| Some((variable, vars.var(variable)?)));
        let endpoint = match &set {
            Some((_, url)) => url.trim_end_matches('/').to_owned(),
            None => format!("https://lambda.{region}.{}", dns_suffix(region)),
        };
        let mut uri =
            format!("{endpoint}/2015-03-31/functions/{}/invocations", utf8_percent_encode(&name, PATH_PART));
        // The version that runs is the one that knows its tasks, whatever an alias means by then.
        if let Some(version) = vars.var("AWS_LAMBDA_FUNCTION_VERSION").filter(|version| version != "$LATEST")
        {
            uri.push_str(&format!("?Qualifier={}", utf8_percent_encode(&version, PATH_PART)));
        }
        let is_web = |uri: &Uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
        let Some(uri) = uri.parse().ok().filter(is_web) else {
            return Err(match set {
                Some((variable, url)) => {
                    format!("`{variable}` is {url:?}; it takes an address such as `http://127.0.0.1:9001`")
                }
                None => format!("`AWS_REGION` is {region:?}, which is no region's name"),
            });
        };
        Ok(Self { uri, region: region.to_owned(), identity: table.credentials().for_sdk().into() })
    }

    /// The signed request that invokes the function with `event`.
    ///
    /// # Errors
    /// Where it cannot be signed.
    fn request(&self, event: String, clock: &dyn Clock) -> Result<Request<Bytes>, BoxError> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name("lambda")
            .time(UNIX_EPOCH + Duration::from_millis(clock.now().as_millis()))
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = self.uri.to_string();
        let body = SignableBody::Bytes(event.as_bytes());
        let signable = SignableRequest::new("POST", uri, std::iter::once(INVOCATION_TYPE), body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = Request::new(Bytes::from(event));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let (name, value) = INVOCATION_TYPE;
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// What the names of a region's services end with.
fn dns_suffix(region: &str) -> &'static str {
    let suffixes = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    let known = suffixes.iter().find(|(start, _)| region.starts_with(start));
    known.map_or("amazonaws.com", |(_, suffix)| suffix)
}

/// Invokes this function for each task.
pub(crate) struct SelfInvocation {
    itself: Itself,
    clock: Arc<dyn Clock>,
    https: HttpsFetch,
}

impl SelfInvocation {
    pub(crate) fn new(itself: Itself, clock: Arc<dyn Clock>, https: Arc<Https>) -> Self {
        Self { itself, clock, https: HttpsFetch::within(https, ATTEMPT_TIMEOUT) }
    }

    async fn invoke(&self, id: &str) -> Result<(), DelegateError> {
        let mut pause = BACKOFF;
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            let request = self.itself.request(event::for_task(id), &*self.clock).map_err(|error| {
                DelegateError(format!("the request cannot be signed: {}", chain(&*error)))
            })?;
            let refused = match judge(self.https.fetch(request).await) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if !refused.is_retryable || attempts_left == 0 {
                return Err(DelegateError(refused.why));
            }
            self.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
}

impl Delegate for SelfInvocation {
    fn delegate<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), DelegateError>> {
        Box::pin(self.invoke(id))
    }
}

/// Why an invocation is not in Lambda's queue.
struct Refused {
    why: String,
    is_retryable: bool,
}

fn judge(answer: Result<Response<Bytes>, FetchError>) -> Result<(), Refused> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let is_retryable = matches!(error, FetchError::Connection(_) | FetchError::Timeout(_));
            return Err(Refused { why: format!("no answer from Lambda: {error}"), is_retryable });
        }
    };
    let status = answer.status();
    if status == StatusCode::ACCEPTED {
        return Ok(());
    }
    // `AccessDeniedException:http://…`
    let code = answer.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let code = code.and_then(|code| code.split(':').next()).unwrap_or("no reason given");
    let way_out = match status {
        StatusCode::FORBIDDEN => {
            ": the function's role needs `lambda:InvokeFunction` on this function and on its versions"
        }
        StatusCode::NOT_FOUND => ": is there this function in this region, and this version of it?",
        StatusCode::OK => {
            ": whoever answered has done the work first, as `cargo lambda watch` does, which has no asynchronous \
             invocations; tasks are had there with `EDGEMCP_LAMBDA_RESPONSE=streamed` and without \
             `EDGEMCP_LAMBDA_TASKS`"
        }
        _ => "",
    };
    Err(Refused {
        why: format!("Lambda answered {status} instead of 202 ({code}){way_out}"),
        is_retryable: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    })
}

#[cfg(test)]
#[path = "../tests/common/wire.rs"]
mod wire;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use edgemcp::platform::Timestamp;

    use super::{
        wire::{Asked, Told, serve},
        *,
    };

    const ID: &str = "00112233445566778899aabbccddeeff";

    struct Set(BTreeMap<&'static str, String>);

    impl Vars for Set {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
    }

    /// The function of an environment with these variables beside the usual ones.
    fn itself(more: &[(&'static str, &str)]) -> Result<Itself, String> {
        let usual = [
            ("EDGEMCP_TABLE", "adder"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("AWS_LAMBDA_FUNCTION_NAME", "adder"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ];
        let mut vars =
            Set(usual.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect());
        vars.0.retain(|_, value| !value.is_empty());
        Itself::from_vars(&vars, &DynamoDbConfig::from_vars(&vars)?.unwrap())
    }

    /// A clock that notes how long it was asked to sleep, and does not.
    #[derive(Clone, Default)]
    struct Noting(Arc<Mutex<Vec<Duration>>>);

    impl Clock for Noting {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_800_000_000_000)
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.0.lock().unwrap().push(duration);
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn the_request_is_signed_as_botocore_signs_it() {
        for (more, uri, signed, signature) in [
            (
                vec![("AWS_SESSION_TOKEN", "token")],
                "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/adder/invocations",
                "host;x-amz-date;x-amz-invocation-type;x-amz-security-token",
                "9566eda5ff3dc76902860fe1949cff2e2fa2378e21ef07db3a0a53b23733160b",
            ),
            (
                vec![
                    ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9001"),
                    ("AWS_LAMBDA_FUNCTION_VERSION", "7"),
                ],
                "http://127.0.0.1:9001/2015-03-31/functions/adder/invocations?Qualifier=7",
                "host;x-amz-date;x-amz-invocation-type",
                "3659bf9be1b251ffac5f7599c4b0a2dd4b95beb7a5f83b732f8420d88008b9e9",
            ),
        ] {
            let request = itself(&more).unwrap().request(event::for_task(ID), &Noting::default()).unwrap();
            assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", uri.to_owned()));
            assert_eq!(request.body(), &format!(r#"{{"edgemcp":{{"task":"{ID}"}}}}"#));
            let headers = request.headers();
            assert_eq!(headers["x-amz-invocation-type"], "Event");
            assert_eq!(headers["x-amz-date"], "20270115T080000Z");
            assert_eq!(
                headers["authorization"],
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-central-1/lambda/aws4_request, \
                     SignedHeaders={signed}, Signature={signature}"
                )
            );
        }
    }

    #[test]
    fn an_endpoint_of_lambdas_own_is_taken_before_that_of_all_services() {
        let uri = |more: &[(&'static str, &str)]| itself(more).unwrap().uri.to_string();
        let path = "/2015-03-31/functions/adder/invocations";
        let all = ("AWS_ENDPOINT_URL", "http://all:1/");
        assert_eq!(uri(&[all]), format!("http://all:1{path}"));
        assert_eq!(
            uri(&[all, ("AWS_ENDPOINT_URL_LAMBDA", "https://lambda:2/in/")]),
            format!("https://lambda:2/in{path}")
        );
        assert_eq!(
            uri(&[("AWS_REGION", "cn-north-1")]),
            format!("https://lambda.cn-north-1.amazonaws.com.cn{path}")
        );
        assert!(uri(&[("AWS_LAMBDA_FUNCTION_NAME", "a/b")]).contains("/functions/a%2Fb/invocations"));
    }

    #[test]
    fn what_is_missing_or_cannot_be_meant_is_named() {
        for (name, value) in [
            ("AWS_LAMBDA_FUNCTION_NAME", ""),
            ("AWS_ENDPOINT_URL_LAMBDA", "127.0.0.1:9001"),
            ("AWS_ENDPOINT_URL", "ftp://127.0.0.1"),
            ("AWS_REGION", "eu central"),
        ] {
            let problem = itself(&[(name, value)]).unwrap_err();
            assert!(problem.contains(&format!("`{name}`")) && problem.contains(value), "{problem}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let itself = itself(&[("AWS_SESSION_TOKEN", "hidden-token")]).unwrap();
        let shown = format!("{itself:?}");
        assert!(!shown.contains("hidden") && !shown.contains("wJalr"), "{shown}");
    }

    /// Hands a task to a Lambda that answers with each of these in turn; says how it went, and how long was waited
    /// before each further attempt.
    async fn delegated(answers: Vec<Told>) -> (Result<(), DelegateError>, Vec<u128>) {
        let mut answers = answers.into_iter();
        let address = serve(move |asked: &Asked| {
            assert_eq!(asked.what, "POST /2015-03-31/functions/adder/invocations");
            assert_eq!(asked.body, event::for_task(ID).as_bytes());
            answers.next().unwrap()
        })
        .await;
        let itself = itself(&[("AWS_ENDPOINT_URL_LAMBDA", &format!("http://{address}"))]).unwrap();
        let clock = Noting::default();
        let mut delegate = SelfInvocation::new(itself, Arc::new(clock.clone()), Arc::default());
        delegate.https = HttpsFetch::within(Arc::default(), Duration::from_millis(300));
        let how = delegate.delegate(ID).await;
        let slept = clock.0.lock().unwrap().iter().map(Duration::as_millis).collect();
        (how, slept)
    }

    fn told(status: u16, head: &str) -> Told {
        Told::Answer(status, head.to_owned(), String::new())
    }

    #[tokio::test]
    async fn an_event_that_is_in_lambdas_queue_is_handed_over() {
        assert_eq!(delegated(vec![told(202, "")]).await, (Ok(()), vec![]));
    }

    #[tokio::test]
    async fn what_may_go_better_the_next_time_is_tried_three_times() {
        let throttled = || told(429, "x-amzn-errortype: TooManyRequestsException\r\n");
        assert_eq!(
            delegated(vec![throttled(), told(503, ""), told(202, "")]).await,
            (Ok(()), vec![100, 200])
        );
        assert_eq!(
            delegated(vec![Told::Break, Told::Silence, told(202, "")]).await,
            (Ok(()), vec![100, 200])
        );
        let (how, slept) = delegated(vec![throttled(), throttled(), throttled()]).await;
        let DelegateError(why) = how.unwrap_err();
        assert!(why.contains("TooManyRequestsException"), "{why}");
        assert_eq!(slept, [100, 200]);
    }

    #[tokio::test]
    async fn a_refusal_is_not_tried_again_and_says_the_way_out() {
        for (answer, parts) in [
            (
                told(403, "x-amzn-errortype: AccessDeniedException:http://internal/\r\n"),
                ["AccessDeniedException)", "`lambda:InvokeFunction`"],
            ),
            (
                told(404, "x-amzn-errortype: ResourceNotFoundException\r\n"),
                ["ResourceNotFoundException", "version"],
            ),
            (told(200, ""), ["`cargo lambda watch`", "EDGEMCP_LAMBDA_RESPONSE=streamed"]),
            (told(301, "location: http://127.0.0.1:1/\r\n"), ["301", "no reason given"]),
        ] {
            let (how, slept) = delegated(vec![answer]).await;
            let DelegateError(why) = how.unwrap_err();
            assert!(parts.iter().all(|part| why.contains(part)) && slept.is_empty(), "{why}");
        }
    }
}
