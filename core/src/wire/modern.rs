//! The methods of 2026-07-28: those of both eras, discovery, subscriptions, and the tasks extension.

use super::params::{self, Params};
use crate::{error::Error, model::Request};

/// What `method` asks for; `None` for a method of another era or of none.
///
/// # Errors
/// `InvalidParams` for parameters the method does not take.
pub(super) fn decode<'a>(method: &str, params: &Params<'a>) -> Result<Option<Request<'a>>, Error> {
    let mut request = match method {
        "server/discover" => Request::Discover,
        "subscriptions/listen" => params.listen()?,
        "tasks/get" => Request::GetTask { id: params.task_id()? },
        "tasks/update" => params.update_task()?,
        "tasks/cancel" => Request::CancelTask { id: params.task_id()? },
        _ => match params.decode(method)? {
            Some(request) => request,
            None => return Ok(None),
        },
    };
    if let Request::CallTool { input, .. }
    | Request::ReadResource { input, .. }
    | Request::GetPrompt { input, .. } = &mut request
    {
        *input = params.input()?;
    }
    Ok(Some(request))
}

/// Whether this era has `method`.
pub(super) fn knows(method: &str) -> bool {
    const OWN: [&str; 5] =
        ["server/discover", "subscriptions/listen", "tasks/get", "tasks/update", "tasks/cancel"];
    OWN.contains(&method) || params::knows(method)
}
