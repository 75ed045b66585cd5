//! Expands `icon!` and `include_icon!`, and says what is wrong with an icon's address or file.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Expr, LitStr, Token,
    parse::{ParseStream, Parser},
};

use crate::{
    errors::Errors,
    options::{self, Setting},
    picture::{self, Format, NoPicture, Picture},
};

/// `edgemcp::limits::ICON_BYTES_MAX`.
const ICON_BYTES_MAX: usize = 64 << 10;

/// The most characters of an address that an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// `icon!("https://…", size = "48x48")`.
pub(crate) fn address(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let form = "icon!(\"https://…\")";
    let icon = call("icon!", form, tokens, &mut errors).and_then(|(src, settings)| {
        let found = look(&src, &mut errors);
        let options = Options::read("icon!", &["size", "theme", "mime_type"], &settings, &mut errors);
        let mime_type = options.mime_type(found.as_ref()?.mime_type.as_deref(), &mut errors);
        Some(options.icon(&src.value(), mime_type.as_deref(), found?.size.as_deref()))
    });
    expression(icon, errors)
}

/// `include_icon!("logo.png", theme = Dark)`.
pub(crate) fn file(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let form = "include_icon!(\"logo.png\")";
    let icon = call("include_icon!", form, tokens, &mut errors).and_then(|(path, settings)| {
        let options = Options::read("include_icon!", &["size", "theme"], &settings, &mut errors);
        let (file, bytes) = read(&path, &mut errors)?;
        let Picture { format, size } = picture::read(&bytes)
            .map_err(|why| errors.at(path.span(), format_args!("{:?} {}", path.value(), no_picture(&why))))
            .ok()?;
        let src = format!("data:{};base64,{}", format.mime_type(), STANDARD.encode(bytes));
        let icon = options.icon(&src, Some(format.mime_type()), Some(&size));
        // The compiler notes the file as one that the crate is made of.
        Some(quote!({
            const _: &[::core::primitive::u8] = ::core::include_bytes!(#file);
            #icon
        }))
    });
    expression(icon, errors)
}

/// `icon = "https://…"` among the options of an attribute.
pub(crate) fn of_address(src: &LitStr, errors: &mut Errors) -> Option<TokenStream> {
    let found = look(src, errors)?;
    Some(Options::default().icon(&src.value(), found.mime_type.as_deref(), found.size.as_deref()))
}

/// The expression, or what is wrong; which is an icon too, so that the compiler says nothing else about it.
fn expression(icon: Option<TokenStream>, errors: Errors) -> TokenStream {
    match (errors.into_tokens(), icon) {
        (None, Some(icon)) => icon,
        (wrong, _) => quote!({ #wrong ::edgemcp::Icon::new("") }),
    }
}

/// The text that comes first, and the options behind it.
fn call(place: &str, form: &str, tokens: TokenStream, errors: &mut Errors) -> Option<(LitStr, Vec<Setting>)> {
    if tokens.is_empty() {
        errors.at(Span::call_site(), format_args!("`{place}` needs a text: write `{form}`"));
        return None;
    }
    let parsed = |input: ParseStream<'_>| {
        let first: Expr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok((first, input.parse::<TokenStream>()?))
    };
    let (first, rest) = parsed.parse2(tokens).map_err(|error| errors.push(error)).ok()?;
    let settings = options::read(rest, place, &["size"], errors);
    let text = options::string(&first);
    if text.is_none() {
        let message = format_args!(
            "`{place}` looks at the text when it is compiled, so it is a string literal: write `{form}`, or \
             `Icon::new(…)` and `Icon::from_file(…)` for what is known later"
        );
        errors.on(&first, message);
    }
    Some((text?, settings))
}

/// What an address itself says of the picture.
#[derive(Default)]
struct Found {
    mime_type: Option<String>,
    size: Option<String>,
}

/// Looks at an address, and into a `data:` URI.
fn look(src: &LitStr, errors: &mut Errors) -> Option<Found> {
    match look_at(&src.value()) {
        Ok(found) => Some(found),
        Err(wrong) => {
            errors.at(src.span(), format_args!("icon {:?} {wrong}", shown(&src.value())));
            None
        }
    }
}

/// # Errors
/// What is wrong, as a sentence about the icon.
fn look_at(src: &str) -> Result<Found, String> {
    if src.starts_with("https://") {
        return Ok(Found::default());
    }
    if let Some(rest) = src.strip_prefix("http://") {
        let host = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| rest.strip_prefix(host));
        return match host.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])) {
            true => Ok(Found::default()),
            false => Err("comes over plain HTTP, which clients reject: write `https://`".to_owned()),
        };
    }
    let Some(rest) = src.strip_prefix("data:") else {
        return Err(if src.starts_with("base64,") || src.contains(";base64,") {
            "lacks its beginning: write `data:image/png;base64,…`".to_owned()
        } else {
            "has no scheme that clients take: write `https://…`, `data:image/png;base64,…`, or \
             `include_icon!(\"…\")` for a file"
                .to_owned()
        });
    };
    let Some((media, data)) = rest.split_once(";base64,") else {
        return Err("has no base64, which clients ask for: write `data:image/png;base64,…`, or \
                    `include_icon!(\"…\")` for a file"
            .to_owned());
    };
    let mime_type = media.split(';').next().unwrap_or_default();
    if mime_type.strip_prefix("image/").is_none_or(str::is_empty) {
        return Err(format!("has the media type {mime_type:?}, which is no image: write e.g. \"image/png\""));
    }
    let bytes = STANDARD.decode(data).map_err(|error| {
        let reason = error.to_string().to_lowercase();
        format!("has data that is no base64 (RFC 4648, section 4): {}", reason.trim_end_matches('.'))
    })?;
    let mut found = Found { mime_type: Some(mime_type.to_owned()), size: None };
    // What another media type says (`image/avif`, `image/x-icon`) is believed.
    if let Some(promised) = Format::promised(mime_type) {
        let is = match picture::read(&bytes) {
            Ok(picture) if picture.format == promised => {
                found.size = Some(picture.size);
                return Ok(found);
            }
            Ok(Picture { format, .. }) => {
                format!("are a {}: write `data:{};base64,…`", format.name(), format.mime_type())
            }
            Err(why @ NoPicture::CutOff(_)) => return Err(format!("has data that {}", no_picture(&why))),
            Err(NoPicture::Unknown) => format!(
                "are none: give the bytes of a {} file, or let `include_icon!(\"…\")` make the address",
                promised.name()
            ),
        };
        return Err(format!("says that it is {mime_type}, but its bytes {is}"));
    }
    Ok(found)
}

fn no_picture(why: &NoPicture) -> String {
    match why {
        NoPicture::Unknown => {
            "is no picture that clients show: convert it into a PNG, JPEG, GIF, WebP or SVG file".to_owned()
        }
        NoPicture::CutOff(format) => format!(
            "begins as a {} and ends before it says its size: it was cut off, so write it again",
            format.name()
        ),
    }
}

/// `text` as an error may repeat it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Where the file is, as a literal for `include_bytes!`, and what is in it.
fn read(path: &LitStr, errors: &mut Errors) -> Option<(String, Vec<u8>)> {
    let written = path.value();
    let file = place(&written, path.span());
    let read = match file.to_str() {
        Some(text) => contents(&file).map(|bytes| (text.to_owned(), bytes)),
        None => Err(format!("is at {file:?}, which is no UTF-8: rename the folder, or move the crate")),
    };
    read.map_err(|wrong| errors.at(path.span(), format_args!("{written:?} {wrong}"))).ok()
}

/// # Errors
/// What is wrong, as a sentence about the file.
fn contents(file: &Path) -> Result<Vec<u8>, String> {
    // One byte more than may be, so that a file of any length is found to be too long without being read.
    let most = ICON_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() > ICON_BYTES_MAX => Err(format!(
            "has more than {ICON_BYTES_MAX} bytes, all of which every list would carry: make it smaller, or serve it and \
             write `icon!(\"https://…\")`"
        )),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "is not there: a path begins at the file it is written in, so this one means {}",
            file.display()
        )),
        Err(error) => Err(format!("cannot be read at {}: {error}", file.display())),
    }
}

/// A path from the folder of the file that `span` is in.
fn place(written: &str, span: Span) -> PathBuf {
    let source = span.unwrap().local_file();
    let folder = match source.as_deref().and_then(Path::parent) {
        // The compiler names files from the folder that it runs in.
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
        // Code that another macro made of text is in no file.
        None => manifest_folder(),
    };
    folder.join(written)
}

#[expect(clippy::disallowed_methods, reason = "this is the compiler, whose environment Cargo sets")]
fn manifest_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default()
}

/// What stands behind the address or the path.
#[derive(Default)]
struct Options {
    sizes: Vec<LitStr>,
    theme: Option<TokenStream>,
    mime_type: Option<LitStr>,
}

impl Options {
    fn read(place: &str, known: &[&str], settings: &[Setting], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for setting in settings {
            match setting.key.as_str() {
                "size" => options.sizes.extend(size(setting, errors)),
                "theme" => options.theme = theme(setting, errors),
                "mime_type" if known.contains(&"mime_type") => options.mime_type = mime_type(setting, errors),
                _ => setting.unknown(place, known, errors),
            }
        }
        options
    }

    /// The media type that is written, or else the one that was `found`.
    fn mime_type(&self, found: Option<&str>, errors: &mut Errors) -> Option<String> {
        let Some(written) = &self.mime_type else { return found.map(str::to_owned) };
        if let Some(found) = found.filter(|found| *found != written.value()) {
            let message = format_args!("the address says that it is {found}: leave `mime_type` out");
            errors.at(written.span(), message);
        }
        Some(written.value())
    }

    fn icon(&self, src: &str, mime_type: Option<&str>, size: Option<&str>) -> TokenStream {
        let Self { sizes, theme, .. } = self;
        let (mime_type, theme) = (mime_type.into_iter(), theme.iter());
        let size = size.filter(|_| sizes.is_empty()).into_iter();
        quote!(
            ::edgemcp::Icon::new(#src) #(.mime_type(#mime_type))* #(.size(#sizes))* #(.size(#size))*
                #(.theme(::edgemcp::Theme::#theme))*
        )
    }
}

fn size(setting: &Setting, errors: &mut Errors) -> Option<LitStr> {
    let literal = setting.literal(errors)?;
    let text = literal.value();
    let is_pixels = |side: &str| {
        !side.is_empty() && !side.starts_with('0') && side.bytes().all(|digit| digit.is_ascii_digit())
    };
    let sides = text.split_once('x');
    if text != "any" && !sides.is_some_and(|(width, height)| is_pixels(width) && is_pixels(height)) {
        let message = format_args!(
            "size {text:?} is none: write width and height in pixels, as in \"48x48\", or \"any\" for what has no pixels"
        );
        errors.at(literal.span(), message);
        return None;
    }
    Some(literal)
}

fn theme(setting: &Setting, errors: &mut Errors) -> Option<TokenStream> {
    let value = setting.value("theme = Dark", errors)?;
    match value {
        Expr::Path(path) if path.path.is_ident("Light") || path.path.is_ident("Dark") => Some(quote!(#path)),
        other => {
            let message =
                "`theme` is the background the icon is made for: write `theme = Light` or `theme = Dark`";
            errors.on(other, message);
            None
        }
    }
}

fn mime_type(setting: &Setting, errors: &mut Errors) -> Option<LitStr> {
    let literal = setting.literal(errors)?;
    let text = literal.value();
    if text.strip_prefix("image/").is_none_or(str::is_empty) {
        errors.at(literal.span(), format_args!("mime_type {text:?} is no image: write e.g. \"image/png\""));
        return None;
    }
    Some(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR42mOMYmBgYmBgAAACjgBeatr+5AAAAABJRU5ErkJggg==";

    fn wrong(src: &str) -> String {
        look_at(src).err().unwrap_or_else(|| panic!("{src} is fine"))
    }

    #[test]
    fn an_address_is_one_that_clients_take() {
        for src in [
            "https://example.com/a.png",
            "http://localhost/a.png",
            "http://127.0.0.1:8000",
            "http://[::1]:1/",
        ] {
            let found = look_at(src).unwrap();
            assert_eq!((found.mime_type, found.size), (None, None), "{src}");
        }
        for src in ["http://example.com/a.png", "http://localhost.example/a.png", "http://127.0.0.1x/"] {
            assert!(wrong(src).contains("write `https://`"), "{src}");
        }
        for src in
            ["logo.png", "/logo.png", "file:///logo.png", "javascript:alert(1)", "HTTPS://example.com", ""]
        {
            assert!(wrong(src).contains("`include_icon!(\"…\")` for a file"), "{src}");
        }
        for src in ["base64,AAAA", "image/png;base64,AAAA"] {
            assert!(wrong(src).contains("lacks its beginning"), "{src}");
        }
    }

    #[test]
    fn a_data_uri_holds_what_it_says_and_tells_its_size() {
        for media in ["image/png", "image/png;charset=binary"] {
            let found = look_at(&format!("data:{media};base64,{PNG}")).unwrap();
            assert_eq!((found.mime_type.as_deref(), found.size.as_deref()), (Some("image/png"), Some("3x2")));
        }
        assert_eq!(
            wrong(&format!("data:image/jpg;base64,{PNG}")),
            "says that it is image/jpg, but its bytes are a PNG: write `data:image/png;base64,…`"
        );
        assert!(
            wrong("data:image/png;base64,AAAA").contains("its bytes are none: give the bytes of a PNG file")
        );
        assert!(
            wrong(&format!("data:image/png;base64,{}", PNG.get(..24).unwrap()))
                .contains("ends before it says its size")
        );
        assert!(wrong("data:image/png,AAAA").contains("has no base64"));
        assert!(wrong("data:text/plain;base64,AAAA").contains("\"text/plain\", which is no image"));
        assert!(wrong("data:image/;base64,AAAA").contains("no image"));
        assert!(wrong("data:image/png;base64,AAA").contains("no base64"));
        assert!(wrong("data:image/png;base64,A AA").contains("no base64"));
        let other = look_at("data:image/avif;base64,AAAA").unwrap();
        assert_eq!((other.mime_type.as_deref(), other.size), (Some("image/avif"), None));
    }

    #[test]
    fn a_file_has_its_limit() {
        let file = std::env::temp_dir().join(format!("edgemcp-icon-{}", std::process::id()));
        std::fs::write(&file, vec![0; ICON_BYTES_MAX]).unwrap();
        assert_eq!(contents(&file).unwrap().len(), ICON_BYTES_MAX);
        std::fs::write(&file, vec![0; ICON_BYTES_MAX + 1]).unwrap();
        assert!(contents(&file).unwrap_err().contains("more than 65536 bytes"));
        std::fs::remove_file(&file).unwrap();
        assert!(contents(&file).unwrap_err().contains("is not there"));
    }
}
