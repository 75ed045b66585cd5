//! Cuts what tools answer where it is too long.

use std::io;

use super::{Answering, CallTool, Middleware, Next};
use crate::{
    context::Context,
    limits::echo,
    model::{Block, Content, Text},
    output::ToolOutput,
    platform::LogLevel,
    transform::Components,
    version::ProtocolVersion,
    wire::results,
};

/// The most bytes that a tool's answer has, unless [`ResponseLimiting`] is told otherwise.
pub const RESPONSE_BYTES_MAX: usize = 1_000_000;

/// What stands around a text in the shortest answer, and what a failure adds.
const AROUND: usize = r#"{"content":[{"type":"text","text":""}],"isError":true}"#.len();

/// Cuts the answers of tools that have more bytes than a client or its model can take: 1,000,000 unless said otherwise.
///
/// An answer that is too long becomes one block of text, cut between two characters, that ends in
/// `[Response truncated due to size limit]`. Its blocks of text are joined by empty lines; pictures and the like are left
/// out, and so is structured content, since half of it would be none: a tool that answered with nothing else answers with
/// the beginning of its JSON as text. Each cut is logged as a warning. So that no client misses structured content that a
/// tool has promised, tools whose answers may be cut are listed without their output schema.
///
/// The bytes are those of the answer as JSON: what the tool gave, without what the server adds to each answer, such as its
/// name. What a tool asks its client is not cut.
///
/// # Source
/// FastMCP 4, `ResponseLimitingMiddleware`.
///
/// ```
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::ResponseLimiting;
/// let limiting = ResponseLimiting::new().max_size(100_000).tools(["search", "fetch_data"]);
/// let server = Server::new("library", "1.0.0").middleware(limiting);
/// ```
#[derive(Clone, Debug)]
pub struct ResponseLimiting {
    bytes_max: usize,
    suffix: Text,
    tools: Option<Vec<String>>,
}

impl ResponseLimiting {
    /// All tools, [`RESPONSE_BYTES_MAX`] each.
    pub fn new() -> Self {
        Self {
            bytes_max: RESPONSE_BYTES_MAX,
            suffix: "\n\n[Response truncated due to size limit]".into(),
            tools: None,
        }
    }

    /// Sets the most bytes that an answer has. What is too little for the suffix is reported when the server is built.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Sets what an answer that was cut ends in.
    #[must_use]
    pub fn truncation_suffix(mut self, suffix: impl Into<Text>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Limits these tools, and no others.
    #[must_use]
    pub fn tools<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.tools.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    fn limits(&self, name: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|known| known == name))
    }

    fn least(&self) -> usize {
        AROUND + in_json(&self.suffix)
    }

    /// `output`, cut to the limit.
    fn cut(&self, output: ToolOutput) -> ToolOutput {
        let ToolOutput { content, structured, is_error, mut meta, .. } = output;
        // In `,"_meta":{…}`, beside its braces.
        let meta_bytes = if meta.is_empty() { 0 } else { r#","_meta":"#.len() + bytes(&meta) };
        let mut left = self.bytes_max.saturating_sub(self.least());
        match left.checked_sub(meta_bytes) {
            Some(rest) => left = rest,
            None => meta.clear(),
        }
        let texts = content.iter().filter_map(|content| match &content.block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let mut text = texts.collect::<Vec<_>>().join("\n\n");
        if let (true, Some(structured)) = (content.is_empty(), structured) {
            structured.get().clone_into(&mut text);
        }
        let end = text.char_indices().find(|(_, c)| match left.checked_sub(char_in_json(*c)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        if let Some((end, _)) = end {
            text.truncate(end);
        }
        text.push_str(&self.suffix);
        ToolOutput { content: vec![Content::text(text)], is_error, meta, ..ToolOutput::default() }
    }
}

/// How many bytes `output` has as JSON, as a client gets it that is told nothing of the server.
fn size(cx: &Context, output: &ToolOutput) -> usize {
    let to = cx.0.tables.results_for(ProtocolVersion::LATEST_LEGACY);
    bytes(&results::CallTool::new(to, output, output.is_wrapped()))
}

/// Whether `output` is small without a closer look: of each byte become six at the most.
fn is_small(output: &ToolOutput, bytes_max: usize) -> bool {
    let texts = output.content.iter().map(|content| match &content.block {
        Block::Text(text) if content.annotations.is_none() => Some(AROUND + 6 * text.len()),
        _ => None,
    });
    // It may stand there twice: as data, and as text.
    let structured = output.structured_json().map_or(0, |json| AROUND + 7 * json.len());
    let at_most = texts.chain([Some(structured + AROUND)]).sum::<Option<usize>>();
    output.meta.is_empty() && at_most.is_some_and(|bytes| bytes <= bytes_max)
}

/// How many bytes `value` has as JSON.
fn bytes(value: &impl serde::Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written has no size, and is refused where it is to be sent.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// How many bytes a text has as JSON, without its quotes.
fn in_json(text: &str) -> usize {
    text.chars().map(char_in_json).sum()
}

fn char_in_json(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

impl Middleware for ResponseLimiting {
    fn problems(&self) -> Vec<String> {
        match self.least() {
            least if self.bytes_max < least => vec![format!(
                "`max_size` is {} bytes, and what an answer ends in that was cut takes {least} with what is around it \
                 (allow more, or shorten `truncation_suffix`)",
                self.bytes_max
            )],
            _ => Vec::new(),
        }
    }

    fn prepare(&self, components: &mut Components, _: &mut Vec<String>) {
        for tool in &mut components.tools {
            if self.limits(&tool.definition.name) {
                tool.definition.output_schema = None;
            }
        }
    }

    fn on_call_tool<'a>(
        &'a self,
        cx: &'a Context,
        call: CallTool,
        next: Next<CallTool>,
    ) -> Answering<'a, CallTool> {
        if !self.limits(call.name()) {
            return next.run(call);
        }
        Box::pin(async move {
            let name = echo(call.name());
            let output = next.run(call).await?;
            if is_small(&output, self.bytes_max) {
                return Ok(output);
            }
            let (size, max) = (size(cx, &output), self.bytes_max);
            if size <= max {
                return Ok(output);
            }
            let line =
                format!("Tool {name} response exceeds size limit: {size} bytes > {max} bytes, truncating");
            cx.platform().log(LogLevel::Warning, &line);
            Ok(self.cut(output))
        })
    }
}

impl Default for ResponseLimiting {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, object, raw};

    fn written(output: &ToolOutput) -> usize {
        let server_info = crate::wire::definition::raw("");
        let to = results::For { version: ProtocolVersion::LATEST_LEGACY, server_info: &server_info };
        bytes(&results::CallTool::new(to, output, output.is_wrapped()))
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_was_cut_fits_and_is_a_beginning(
            texts: Vec<String>, structured in prop::option::of(raw()), meta in object(), suffix: String,
            is_error: bool, more in 0..300_usize,
        ) {
            let limiting = ResponseLimiting::new().truncation_suffix(suffix.clone());
            let limiting = ResponseLimiting { bytes_max: limiting.least() + more, ..limiting };
            prop_assert_eq!(limiting.problems().len(), 0);
            let content: Vec<_> = texts.iter().map(Content::text).collect();
            let output = ToolOutput { content, structured, is_error, meta, ..ToolOutput::default() };
            let whole = match (&*texts, output.structured_json()) {
                ([], Some(json)) => json.to_owned(),
                _ => texts.join("\n\n"),
            };
            let (small, size) = (is_small(&output, limiting.bytes_max), written(&output));
            prop_assert!(!small || size <= limiting.bytes_max, "{} bytes are no small answer", size);
            let cut = limiting.cut(output);
            prop_assert!(written(&cut) <= limiting.bytes_max);
            let Block::Text(text) = &cut.content[0].block else { panic!("no text") };
            let kept = text.strip_suffix(&suffix).unwrap();
            prop_assert!(whole.starts_with(kept));
            prop_assert_eq!(cut.is_error, is_error);
            // As much is kept as fits: one more character would be too long.
            if let (Some(next), true) = (whole.chars().nth(kept.chars().count()), is_error) {
                prop_assert!(written(&cut) + char_in_json(next) > limiting.bytes_max);
            }
        }
    }
}
