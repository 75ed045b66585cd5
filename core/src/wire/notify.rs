//! What a server tells a client unasked, while it works on a request or on an open subscription.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{definition::raw, jsonrpc};
use crate::model::{Change, Listened, LoggingLevel};

/// A step on the way to the answer of the request that came with `token`.
pub(crate) fn progress(
    token: &RawValue,
    progress: f64,
    total: Option<f64>,
    message: Option<&str>,
) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        progress_token: &'a RawValue,
        progress: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let params = Params { progress_token: token, progress, total, message };
    jsonrpc::notification("notifications/progress", Some(params))
}

/// A line of the server's log that is meant for the client.
pub(crate) fn message(level: LoggingLevel, logger: Option<&str>, data: &RawValue) -> Vec<u8> {
    #[derive(Serialize)]
    struct Params<'a> {
        level: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        logger: Option<&'a str>,
        data: &'a RawValue,
    }
    let params = Params { level: level.as_str(), logger, data };
    jsonrpc::notification("notifications/message", Some(params))
}

/// Which subscription a notification belongs to (2026-07-28, basic/patterns/subscriptions); none on the legacy era.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct SubscriptionMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
    pub(crate) subscription_id: &'a RawValue,
}

/// What a subscription will hear of: the first message of its stream.
pub(crate) fn acknowledged(listened: &Listened<'_>, meta: SubscriptionMeta<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Notifications<'a> {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        tools_list_changed: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        prompts_list_changed: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        resources_list_changed: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        resource_subscriptions: &'a [Cow<'a, str>],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        task_ids: &'a [Cow<'a, str>],
    }
    #[derive(Serialize)]
    struct Params<'a> {
        notifications: Notifications<'a>,
        #[serde(rename = "_meta")]
        meta: SubscriptionMeta<'a>,
    }
    let Listened { tools, prompts, resources, uris, tasks } = listened;
    let notifications = Notifications {
        tools_list_changed: *tools,
        prompts_list_changed: *prompts,
        resources_list_changed: *resources,
        resource_subscriptions: uris,
        task_ids: tasks,
    };
    jsonrpc::notification("notifications/subscriptions/acknowledged", Some(Params { notifications, meta }))
}

/// The result that ends a subscription.
pub(crate) fn subscription_ended(meta: SubscriptionMeta<'_>) -> Box<RawValue> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Ended<'a> {
        result_type: &'static str,
        #[serde(rename = "_meta")]
        meta: SubscriptionMeta<'a>,
    }
    raw(Ended { result_type: "complete", meta })
}

/// Something has changed.
pub(crate) fn changed(change: &Change, meta: Option<SubscriptionMeta<'_>>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Params<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        uri: Option<&'a str>,
        #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
        meta: Option<SubscriptionMeta<'a>>,
    }
    let (method, uri) = match change {
        Change::Tools => ("notifications/tools/list_changed", None),
        Change::Prompts => ("notifications/prompts/list_changed", None),
        Change::Resources => ("notifications/resources/list_changed", None),
        Change::Resource(uri) => ("notifications/resources/updated", Some(uri.as_ref())),
    };
    let params = (uri.is_some() || meta.is_some()).then_some(Params { uri, meta });
    jsonrpc::notification(method, params)
}
