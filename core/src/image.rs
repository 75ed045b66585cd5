//! What is this picture, and how is it sent: as content of a result, or as an icon?

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ::base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use imagesize::ImageType;

use crate::{
    error::{Error, ToolError},
    model::{Content, Icon, ResourceContents},
    output::{IntoResourceOutput, IntoToolOutput, ToolOutput},
};

/// The most bytes a picture may have that becomes an [`Icon`] with its data in it: 64 KiB, since every list carries it.
pub const ICON_BYTES_MAX: usize = 64 << 10;

/// A picture: its bytes, and what they are, which is found by looking at them.
///
/// Tools and resources return one as it is, a prompt says one, and a page shows its data URI.
///
/// ```
/// # use edgemcp::prelude::*;
/// /// A bar as long as the number.
/// #[tool]
/// fn bar(length: u8) -> Result<Image, ToolError> {
///     let svg = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="{length}" height="8"><path d="M0 4h255"/></svg>"#);
///     Ok(Image::from_bytes(svg)?)
/// }
/// assert!(bar(9)?.to_data_uri().starts_with("data:image/svg+xml;base64,"));
/// # Ok::<(), ToolError>(())
/// ```
///
/// # Limits
/// None of its own. What carries it has some: the platform's answer, the client's patience.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    data: Bytes,
    mime_type: &'static str,
    /// Width and height in pixels; none for what has no pixels.
    pixels: Option<(usize, usize)>,
}

impl Image {
    /// A picture of these bytes: a PNG, JPEG, GIF, WebP or SVG file.
    ///
    /// # Errors
    /// [`ImageError`], where they are none of these, or end before they say their size.
    pub fn from_bytes(data: impl Into<Bytes>) -> Result<Self, ImageError> {
        Self::read(data.into()).map_err(|reason| ImageError { file: None, reason })
    }

    /// The picture in a file, which is read at once and whole. A relative path begins in the folder that the program
    /// was started in.
    ///
    /// # Errors
    /// [`ImageError`], where the file cannot be read or is no picture as [`from_bytes`](Self::from_bytes) takes. On
    /// Workers there are no files.
    ///
    /// ```no_run
    /// # use edgemcp::prelude::*;
    /// let chart = Image::from_file("charts/latest.png")?;
    /// let page = format!("<img alt='the latest chart' src='{}'>", chart.to_data_uri());
    /// # Ok::<(), edgemcp::ImageError>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        let data = std::fs::read(path).map_err(Reason::Unread);
        let image = data.and_then(|data| Self::read(data.into()));
        image.map_err(|reason| ImageError { file: Some(path.to_owned()), reason })
    }

    fn read(data: Bytes) -> Result<Self, Reason> {
        let mime_type = match imagesize::image_type(&data) {
            Ok(ImageType::Png) => "image/png",
            Ok(ImageType::Jpeg) => "image/jpeg",
            Ok(ImageType::Gif) => "image/gif",
            Ok(ImageType::Webp) => "image/webp",
            _ if is_svg(&data) => return Ok(Self { data, mime_type: "image/svg+xml", pixels: None }),
            _ => return Err(Reason::NoPicture { bytes: data.len() }),
        };
        match imagesize::blob_size(&data) {
            Ok(size) if size.width > 0 && size.height > 0 => {
                Ok(Self { data, mime_type, pixels: Some((size.width, size.height)) })
            }
            _ => Err(Reason::CutOff(mime_type)),
        }
    }

    /// The bytes, as they were given.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// The media type: `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/svg+xml`.
    pub fn mime_type(&self) -> &'static str {
        self.mime_type
    }

    /// Width and height in pixels, as the file says them; none of an SVG, which has any.
    pub fn pixels(&self) -> Option<(usize, usize)> {
        self.pixels
    }

    /// The picture as an address of its own: `data:image/png;base64,…` (RFC 2397).
    pub fn to_data_uri(&self) -> String {
        let mut uri = format!("data:{};base64,", self.mime_type);
        STANDARD.encode_string(&self.data, &mut uri);
        uri
    }
}

/// Whether these bytes are an SVG document: XML whose root element is `svg`.
fn is_svg(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // What may stand before the root element (XML 1.0, section 2.8).
    while let Some(end) = [("<?", "?>"), ("<!--", "-->"), ("<!DOCTYPE", ">")]
        .into_iter()
        .find_map(|(start, end)| rest.starts_with(start).then_some(end))
    {
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>', '/']))
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes themselves say nothing to whoever reads a log.
        write!(f, "Image({}, {} bytes)", self.mime_type, self.data.len())
    }
}

impl From<Image> for Content {
    fn from(image: Image) -> Self {
        Self::image(image.data, image.mime_type)
    }
}

impl IntoToolOutput for Image {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Content::from(self).into_tool_output()
    }
}

impl IntoResourceOutput for Image {
    const MIME_TYPE: Option<&'static str> = None;

    fn into_resource_output(self) -> Result<Vec<ResourceContents>, Error> {
        Ok(vec![ResourceContents::blob(self.data).mime_type(self.mime_type)])
    }
}

impl Icon {
    /// An icon that carries the picture of a file in itself, with its media type and size. The file is read when this is
    /// called; [`include_icon!`](macro@crate::include_icon) reads it when the program is compiled, also for Workers.
    ///
    /// # Errors
    /// [`IconError`], as [`Image::from_file`], and where the file is too large.
    ///
    /// # Limits
    /// [`ICON_BYTES_MAX`](crate::limits::ICON_BYTES_MAX).
    ///
    /// ```no_run
    /// # use edgemcp::prelude::*;
    /// # fn logo_of_this_installation() -> std::path::PathBuf { "logo.png".into() }
    /// let server = Server::new("notes", "1.0.0").icon(Icon::from_file(logo_of_this_installation())?);
    /// # Ok::<(), edgemcp::IconError>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, IconError> {
        let path = path.as_ref();
        let wrong = |reason| ImageError { file: Some(path.to_owned()), reason };
        // One byte more than may be, so that a file of any length is found to be too long without being read.
        let most = ICON_BYTES_MAX as u64 + 1;
        let mut data = Vec::new();
        let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut data));
        read.map_err(|error| wrong(Reason::Unread(error)))?;
        if data.len() > ICON_BYTES_MAX {
            return Err(IconError(Refused::TooLarge { file: Some(path.to_owned()) }));
        }
        Self::from_image(&Image::read(data.into()).map_err(wrong)?)
    }

    /// An icon that carries a picture in itself, with its media type and size.
    ///
    /// # Errors
    /// [`IconError`], where the picture is too large.
    ///
    /// # Limits
    /// [`ICON_BYTES_MAX`](crate::limits::ICON_BYTES_MAX).
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// let dot = Image::from_bytes(r#"<svg xmlns="http://www.w3.org/2000/svg"><circle r="8"/></svg>"#)?;
    /// let server = Server::new("dots", "1.0.0").icon(Icon::from_image(&dot)?);
    /// # assert!(server.build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_image(image: &Image) -> Result<Self, IconError> {
        if image.data.len() > ICON_BYTES_MAX {
            return Err(IconError(Refused::TooLarge { file: None }));
        }
        let icon = Self::new(image.to_data_uri()).mime_type(image.mime_type);
        Ok(match image.pixels {
            Some((width, height)) => icon.size(format!("{width}x{height}")),
            None => icon.size("any"),
        })
    }
}

/// Why something is no [`Image`]. Its text may name a file, so it is for the log: `?` in a handler masks it.
#[derive(Debug)]
pub struct ImageError {
    file: Option<PathBuf>,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Unread(io::Error),
    NoPicture { bytes: usize },
    CutOff(&'static str),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{:?} ", file.display())?,
            None => f.write_str("this picture ")?,
        }
        match &self.reason {
            Reason::Unread(error) if error.kind() == io::ErrorKind::Unsupported => f.write_str(
                "cannot be read, since there are no files on this platform: let the compiler read it, with \
                 `include_icon!(\"…\")` or `Image::from_bytes(&include_bytes!(\"…\")[..])`",
            ),
            Reason::Unread(error) => write!(
                f,
                "cannot be read: {error} (a relative path begins in the folder that the program was started in)"
            ),
            Reason::NoPicture { bytes } => write!(
                f,
                "has {bytes} bytes, which are no PNG, JPEG, GIF, WebP or SVG: convert it into one of these, or send it as \
                 it is with `Content::image(bytes, \"image/…\")`"
            ),
            Reason::CutOff(mime_type) => write!(
                f,
                "begins as {mime_type} and ends before it says its size: it was cut off, so write it again"
            ),
        }
    }
}

impl std::error::Error for ImageError {}

/// Why something is no [`Icon`]. Its text may name a file, so it is for the log.
#[derive(Debug)]
pub struct IconError(Refused);

#[derive(Debug)]
enum Refused {
    Image(ImageError),
    TooLarge { file: Option<PathBuf> },
}

impl From<ImageError> for IconError {
    fn from(error: ImageError) -> Self {
        Self(Refused::Image(error))
    }
}

impl fmt::Display for IconError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.0 {
            Refused::Image(error) => return error.fmt(f),
            Refused::TooLarge { file } => file,
        };
        match file {
            Some(file) => write!(f, "{:?}", file.display())?,
            None => f.write_str("this picture")?,
        }
        write!(
            f,
            " has more than {ICON_BYTES_MAX} bytes, all of which every list would carry: make it smaller, or serve it and \
             write its address, `icon!(\"https://…\")`"
        )
    }
}

impl std::error::Error for IconError {}
