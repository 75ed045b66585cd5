//! What a handler or a middleware can ask of the server itself: its lists, and its components.

use std::sync::Arc;

use super::Context;
use crate::{
    error::{Error, ToolError},
    middleware::{
        CallTool, Course, End, GetPrompt, Hooked, ListPrompts, ListResourceTemplates, ListResources,
        ListTools, Listed, ReadResource,
    },
    output::{PromptOutput, ResourceOutput, ToolOutput},
    prompt::Prompt,
    resource::Resource,
    server::catalogue::Catalogue,
    tool::Tool,
    wire::params,
};

/// Each goes through the server's middlewares as a client's own request does, and gives what this caller may see and use. A
/// handler that calls itself calls without end.
impl Context {
    /// Calls a tool of the server.
    ///
    /// ```
    /// # use edgemcp::{middleware::CallTool, prelude::*};
    /// /// Call a tool by its name.
    /// #[tool]
    /// async fn relay(cx: &Context, name: String) -> Result<ToolOutput, ToolError> {
    ///     if name == "relay" {
    ///         return Err(ToolError::new("this is `relay`"));
    ///     }
    ///     cx.call_tool(CallTool::new(name)).await
    /// }
    /// # let _ = relay::tool();
    /// ```
    ///
    /// # Errors
    /// As the call of a client: the tool's own, and where there is none or the caller may not use it.
    pub async fn call_tool(&self, call: CallTool) -> Result<ToolOutput, ToolError> {
        Ok(self.serve(call).await?)
    }

    /// Reads a resource of the server.
    ///
    /// # Errors
    /// As the request of a client.
    pub async fn read_resource(&self, uri: impl Into<String>) -> Result<ResourceOutput, ToolError> {
        Ok(self.serve(ReadResource::new(uri)).await?)
    }

    /// Gets a prompt of the server.
    ///
    /// # Errors
    /// As the request of a client.
    pub async fn get_prompt(&self, get: GetPrompt) -> Result<PromptOutput, ToolError> {
        Ok(self.serve(get).await?)
    }

    /// The tools that the caller sees.
    ///
    /// # Errors
    /// Those of the middlewares.
    pub async fn list_tools(&self) -> Result<Listed<Tool>, ToolError> {
        Ok(self.serve(ListTools::default()).await?)
    }

    /// The resources that the caller sees.
    ///
    /// # Errors
    /// Those of the middlewares.
    pub async fn list_resources(&self) -> Result<Listed<Resource>, ToolError> {
        Ok(self.serve(ListResources::default()).await?)
    }

    /// The resource templates that the caller sees.
    ///
    /// # Errors
    /// Those of the middlewares.
    pub async fn list_resource_templates(&self) -> Result<Listed<Resource>, ToolError> {
        Ok(self.serve(ListResourceTemplates::default()).await?)
    }

    /// The prompts that the caller sees.
    ///
    /// # Errors
    /// Those of the middlewares.
    pub async fn list_prompts(&self) -> Result<Listed<Prompt>, ToolError> {
        Ok(self.serve(ListPrompts::default()).await?)
    }

    async fn serve<R: Hooked>(&self, message: R) -> Result<R::Response, Error> {
        let course = Course { chain: Arc::clone(&self.0.tables.chain), end: End::Components };
        let served = course.run(self.in_scope(0), message.into_message()).await?;
        R::answered(served)
    }

    /// The components as the server that is asked sees them.
    fn catalogue(&self) -> &Catalogue {
        let view = self.0.tables.view(self.scope()).filter(|_| self.scope() != 0);
        view.map_or(&self.0.tables.components, |(view, _)| view)
    }

    /// The tool `name` of the server, with its tags, whoever asks: of the version that the client asks for, where it does. In
    /// a middleware of a mounted server names are those that it has there.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let tools = self.catalogue();
        let found = match self.asked_version() {
            Some(version) => tools.tool_of(name, &version),
            None => tools.tool(name),
        };
        found.map(|tool| &**tool)
    }

    /// The resource at `uri`, or the template it fits, whoever asks: of the version that the client asks for, where it does.
    pub fn resource(&self, uri: &str) -> Option<&Resource> {
        let resources = self.catalogue();
        let found = match self.asked_version() {
            Some(version) => resources.resource_of(uri, &version),
            None => resources.resource(uri),
        };
        found.map(|(resource, _)| &**resource)
    }

    /// The prompt `name`, whoever asks: of the version that the client asks for, where it does.
    pub fn prompt(&self, name: &str) -> Option<&Prompt> {
        let prompts = self.catalogue();
        let found = match self.asked_version() {
            Some(version) => prompts.prompt_of(name, &version),
            None => prompts.prompt(name),
        };
        found.map(|prompt| &**prompt)
    }

    /// The resource or template whose own URI this is.
    pub(crate) fn resource_named(&self, uri: &str) -> Option<&Resource> {
        self.catalogue().resource_by_uri(uri).map(|resource| &**resource)
    }

    /// The tool `name` of the version that the client asks for, whoever asks.
    pub(crate) fn asked_tool(&self, name: &str) -> Option<&Tool> {
        let found = match self.asked_version() {
            Some(version) => self.catalogue().tool_of(name, &version),
            None => self.catalogue().tool(name),
        };
        found.map(|tool| &**tool)
    }

    /// The resource at `uri` of the version that the client asks for, whoever asks.
    pub(crate) fn asked_resource(&self, uri: &str) -> Option<&Resource> {
        let found = match self.asked_version() {
            Some(version) => self.catalogue().resource_of(uri, &version),
            None => self.catalogue().resource(uri),
        };
        found.map(|(resource, _)| &**resource)
    }

    /// The prompt `name` of the version that the client asks for, whoever asks.
    pub(crate) fn asked_prompt(&self, name: &str) -> Option<&Prompt> {
        let found = match self.asked_version() {
            Some(version) => self.catalogue().prompt_of(name, &version),
            None => self.catalogue().prompt(name),
        };
        found.map(|prompt| &**prompt)
    }

    /// The version of a component that the client asks for, where anything has one.
    pub(crate) fn asked_version(&self) -> Option<String> {
        match self.0.tables.components.has_versions() {
            true => params::asked_version(&self.0.message),
            false => None,
        }
    }
}
