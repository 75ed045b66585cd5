//! What is this picture, which the compiler has as bytes? The core's `Image` answers it alike, for bytes that come later.

use imagesize::ImageType;

/// What clients show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
    Gif,
    Webp,
    Svg,
}

/// A picture as it is found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) format: Format,
    /// As an icon says it: `48x48`, or `any`.
    pub(crate) size: String,
}

/// Why bytes are no picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoPicture {
    Unknown,
    /// They begin like one, and end before its size.
    CutOff(Format),
}

impl Format {
    const ALL: [Self; 5] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp, Self::Svg];

    pub(crate) fn mime_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Svg => "image/svg+xml",
        }
    }

    /// As people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Svg => "SVG",
        }
    }

    /// What a media type promises, where it is one whose bytes can be looked at.
    pub(crate) fn promised(mime_type: &str) -> Option<Self> {
        // The specification knows this one too.
        let mime_type = if mime_type == "image/jpg" { "image/jpeg" } else { mime_type };
        Self::ALL.into_iter().find(|format| format.mime_type() == mime_type)
    }
}

/// Looks at `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Picture, NoPicture> {
    let format = match imagesize::image_type(bytes) {
        Ok(ImageType::Png) => Format::Png,
        Ok(ImageType::Jpeg) => Format::Jpeg,
        Ok(ImageType::Gif) => Format::Gif,
        Ok(ImageType::Webp) => Format::Webp,
        _ if is_svg(bytes) => return Ok(Picture { format: Format::Svg, size: "any".to_owned() }),
        _ => return Err(NoPicture::Unknown),
    };
    match imagesize::blob_size(bytes) {
        Ok(size) if size.width > 0 && size.height > 0 => {
            Ok(Picture { format, size: format!("{}x{}", size.width, size.height) })
        }
        _ => Err(NoPicture::CutOff(format)),
    }
}

/// Whether these bytes are an SVG document: XML whose root element is `svg`.
fn is_svg(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
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
