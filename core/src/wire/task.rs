//! A task, as clients see it (extension `io.modelcontextprotocol/tasks`).

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    definition::raw,
    jsonrpc,
    notify::SubscriptionMeta,
    results::{For, InputRequest, InputRequests, ResultMeta},
};
use crate::journal::Answer;

/// A task as it stands.
pub(crate) struct Task<'a> {
    pub(crate) id: &'a str,
    pub(crate) standing: Standing<'a>,
    pub(crate) message: Option<&'a str>,
    /// Both as RFC 3339 text.
    pub(crate) created: String,
    pub(crate) updated: String,
    pub(crate) ttl: Duration,
    pub(crate) poll_interval: Duration,
}

/// How far a task has come.
pub(crate) enum Standing<'a> {
    Working,
    InputRequired(Vec<InputRequest<'a>>),
    Ended(&'a Answer),
    Cancelled,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a, M: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    task_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<&'a str>,
    created_at: String,
    last_updated_at: String,
    ttl_ms: u64,
    poll_interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_requests: Option<InputRequests<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<M>,
}

impl<'a> Task<'a> {
    fn wire<M: Serialize>(self, result_type: Option<&'static str>, meta: Option<M>) -> Wire<'a, M> {
        let (status, input_requests, result, error) = match self.standing {
            Standing::Working => ("working", None, None, None),
            Standing::InputRequired(asks) => ("input_required", Some(InputRequests(asks)), None, None),
            Standing::Ended(Answer::Result(result)) => ("completed", None, Some(&**result), None),
            Standing::Ended(Answer::Refusal(error)) => ("failed", None, None, Some(&**error)),
            Standing::Cancelled => ("cancelled", None, None, None),
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Wire {
            result_type,
            task_id: self.id,
            status,
            status_message: self.message,
            created_at: self.created,
            last_updated_at: self.updated,
            ttl_ms: millis(self.ttl),
            poll_interval_ms: millis(self.poll_interval),
            input_requests,
            result,
            error,
            meta,
        }
    }

    /// The result of a call that goes on as this task.
    pub(crate) fn created(self, to: For<'_>) -> Box<RawValue> {
        raw(self.wire(Some("task"), to.meta()))
    }

    /// The result of `tasks/get`.
    pub(crate) fn got(self, to: For<'_>) -> Box<RawValue> {
        raw(self.wire(Some("complete"), to.meta()))
    }

    /// The notification that it has come further.
    pub(crate) fn notification(self, meta: SubscriptionMeta<'_>) -> Vec<u8> {
        jsonrpc::notification("notifications/tasks", Some(self.wire(None, Some(meta))))
    }
}

/// The result of a request that asks for nothing but to be heard.
pub(crate) fn acknowledged(to: For<'_>) -> Box<RawValue> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Acknowledged<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        result_type: Option<&'static str>,
        #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
        meta: Option<ResultMeta<'a>>,
    }
    raw(Acknowledged { result_type: to.result_type(), meta: to.meta() })
}
