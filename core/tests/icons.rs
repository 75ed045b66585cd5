//! Icons and pictures: what the compiler and the program make of an address, a file and bytes, and what clients see.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::Stage;
use edgemcp::{Image, ImageError, ProtocolVersion, Theme, limits::ICON_BYTES_MAX, prelude::*};
use serde_json::{Value, json};

const DOT: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR42mOMYmBgYmBgAAACjgBeatr+5AAAAABJRU5ErkJggg==";

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets").join(name)
}

/// A file of this test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("edgemcp-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An SVG file of so many bytes.
fn svg(bytes: usize) -> Vec<u8> {
    let mut text = b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec();
    text.resize(bytes, b' ');
    text
}

#[test]
fn a_file_is_the_same_icon_whoever_reads_it() {
    for (name, included, mime_type, size, pixels) in [
        ("dot.png", include_icon!("assets/dot.png"), "image/png", "3x2", Some((3, 2))),
        ("dot.gif", include_icon!("assets/dot.gif"), "image/gif", "3x2", Some((3, 2))),
        ("dot.jpg", include_icon!("assets/dot.jpg"), "image/jpeg", "3x2", Some((3, 2))),
        ("dot.webp", include_icon!("assets/dot.webp"), "image/webp", "3x2", Some((3, 2))),
        ("dot-lossy.webp", include_icon!("assets/dot-lossy.webp"), "image/webp", "3x2", Some((3, 2))),
        ("dot.svg", include_icon!("assets/dot.svg"), "image/svg+xml", "any", None),
    ] {
        let image = Image::from_file(asset(name)).unwrap();
        assert_eq!((image.mime_type(), image.pixels()), (mime_type, pixels), "{name}");
        assert_eq!(image.bytes(), &std::fs::read(asset(name)).unwrap(), "{name}");
        let expected = Icon::new(image.to_data_uri()).mime_type(mime_type).size(size);
        assert_eq!(included, expected, "{name}");
        assert_eq!(Icon::from_file(asset(name)).unwrap(), expected, "{name}");
        assert_eq!(Icon::from_image(&image).unwrap(), expected, "{name}");
    }
    assert_eq!(Image::from_file(asset("dot.png")).unwrap().to_data_uri(), DOT);
}

#[test]
fn an_address_with_its_data_says_itself_what_it_is() {
    let dot = icon!(
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR42mOMYmBgYmBgAAACjgBeatr+5AAAAABJRU5ErkJggg=="
    );
    assert_eq!(dot, include_icon!("assets/dot.png"));
    assert_eq!(
        include_icon!("assets/dot.png", size = "3x2", size = "6x4", theme = Dark),
        Icon::new(DOT).mime_type("image/png").size("3x2").size("6x4").theme(Theme::Dark)
    );
    assert_eq!(
        icon!("https://example.com/a", mime_type = "image/svg+xml", size = "any", theme = Light),
        Icon::new("https://example.com/a").mime_type("image/svg+xml").size("any").theme(Theme::Light)
    );
    assert_eq!(icon!("http://localhost:8000/a.png"), Icon::new("http://localhost:8000/a.png"));
}

#[test]
fn a_literal_may_come_through_another_macro() {
    macro_rules! dark {
        ($file:literal, $address:literal, $size:literal) => {
            [include_icon!($file, size = $size, theme = Dark), icon!($address, size = $size, theme = Dark)]
        };
    }
    let [file, address] = dark!("assets/dot.png", "https://example.com/a.png", "48x48");
    assert_eq!(file, include_icon!("assets/dot.png", size = "48x48", theme = Dark));
    assert_eq!(address, icon!("https://example.com/a.png", size = "48x48", theme = Dark));
}

#[test]
fn a_change_of_an_included_file_compiles_the_crate_anew() {
    // What the compiler noted for Cargo: the files that this very test is made of.
    let noted = std::fs::read_to_string(std::env::current_exe().unwrap().with_extension("d")).unwrap();
    for name in ["dot.png", "dot.svg"] {
        assert!(noted.contains(&format!("tests/assets/{name}")), "{noted}");
    }
    assert!(!noted.contains("cut-off.png"), "{noted}");
}

#[test]
fn every_client_that_knows_icons_sees_them_on_everything() {
    /// Draw a dot.
    #[tool(icon = include_icon!("assets/dot.png", theme = Dark), icon = "https://example.com/tool.png")]
    fn draw() {}

    #[resource("data://dot", icon = icon!("https://example.com/r.png", size = "48x48", size = "96x96"))]
    fn dot() -> &'static str {
        "."
    }

    #[resource(
        "data://dots/{count}",
        icon = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    )]
    fn dots(count: u8) -> String {
        ".".repeat(count.into())
    }

    /// Ask for a dot.
    #[prompt(icon = include_icon!("assets/dot.svg", theme = Light))]
    fn ask() -> &'static str {
        "Draw a dot."
    }

    let server = Server::new("dots", "1.0.0")
        .website_url("https://example.com")
        .icon(icon!("https://example.com/light.png", size = "48x48", theme = Light))
        .icon(icon!("https://example.com/dark.svg", mime_type = "image/svg+xml", size = "any", theme = Dark))
        .tool(draw::tool())
        .resource(dot::resource())
        .resource(dots::resource())
        .prompt(ask::prompt());
    let stage = Stage::new(server);
    let svg = Image::from_file(asset("dot.svg")).unwrap().to_data_uri();
    for (method, list, icons) in [
        (
            "tools/list",
            "tools",
            json!([
                {"src": DOT, "mimeType": "image/png", "sizes": ["3x2"], "theme": "dark"},
                {"src": "https://example.com/tool.png"},
            ]),
        ),
        (
            "resources/list",
            "resources",
            json!([{"src": "https://example.com/r.png", "sizes": ["48x48", "96x96"]}]),
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            json!([{
                "src": "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
                "mimeType": "image/gif",
                "sizes": ["1x1"],
            }]),
        ),
        (
            "prompts/list",
            "prompts",
            json!([{"src": svg, "mimeType": "image/svg+xml", "sizes": ["any"], "theme": "light"}]),
        ),
    ] {
        for (version, answer) in stage.everywhere(method, json!({})) {
            let shown = &answer.json["result"][list][0]["icons"];
            let expected = if version >= ProtocolVersion::V2025_11_25 { &icons } else { &Value::Null };
            assert_eq!(shown, expected, "{method} {version}");
        }
    }
    let icons = json!([
        {"src": "https://example.com/light.png", "sizes": ["48x48"], "theme": "light"},
        {"src": "https://example.com/dark.svg", "mimeType": "image/svg+xml", "sizes": ["any"], "theme": "dark"},
    ]);
    let found = stage.modern("server/discover", json!({})).json["result"].take();
    let who = &found["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(who["icons"], icons, "{found}");
    assert_eq!(who["websiteUrl"], "https://example.com");
    for version in [ProtocolVersion::V2025_11_25, ProtocolVersion::V2025_06_18] {
        let params = json!({"protocolVersion": version.as_str(), "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        let who = &stage.legacy(version, "initialize", params).json["result"]["serverInfo"];
        let expected = if version == ProtocolVersion::V2025_11_25 { &icons } else { &Value::Null };
        assert_eq!(&who["icons"], expected, "{version}");
    }
}

#[test]
fn a_picture_is_what_a_tool_returns_a_resource_holds_and_a_prompt_says() {
    /// Draw a dot.
    #[tool]
    fn draw() -> Result<Image, ToolError> {
        Ok(Image::from_file(asset("dot.png"))?)
    }

    #[resource("data://dot")]
    fn dot() -> Image {
        Image::from_file(asset("dot.png")).unwrap()
    }

    /// Ask about a dot.
    #[prompt]
    fn ask() -> PromptMessage {
        PromptMessage::user(Image::from_file(asset("dot.png")).unwrap())
    }

    let stage = Stage::new(
        Server::new("dots", "1.0.0").tool(draw::tool()).resource(dot::resource()).prompt(ask::prompt()),
    );
    let data = DOT.split_once(',').unwrap().1;
    let block = json!({"type": "image", "data": data, "mimeType": "image/png"});
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "draw"})) {
        assert_eq!(answer.json["result"]["content"], json!([block]), "{version}");
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "data://dot"})) {
        let contents = json!([{"uri": "data://dot", "mimeType": "image/png", "blob": data}]);
        assert_eq!(answer.json["result"]["contents"], contents, "{version}");
    }
    for (version, answer) in stage.everywhere("prompts/get", json!({"name": "ask"})) {
        assert_eq!(
            answer.json["result"]["messages"],
            json!([{"role": "user", "content": block}]),
            "{version}"
        );
    }
}

#[test]
fn what_is_no_picture_is_refused_with_the_way_out() {
    let told = |bytes: &'static [u8]| Image::from_bytes(bytes).unwrap_err().to_string();
    for bytes in
        [b"".as_slice(), b"hello", b"<html><svg ></svg></html>", b"<svgx/>", b"<!-- <svg>", b"BM\x1a\0\0\0"]
    {
        let text = told(bytes);
        let begins =
            format!("this picture has {} bytes, which are no PNG, JPEG, GIF, WebP or SVG", bytes.len());
        assert!(text.starts_with(&begins) && text.contains("`Content::image(bytes, \"image/…\")`"), "{text}");
    }
    for (bytes, mime_type) in [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03".as_slice(), "image/png"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0", "image/png"),
        (b"GIF89a\x03\0\0\0\0\0\0", "image/gif"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\0\0\0\0\0\0\0\0", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8L\x04\0\0\0", "image/webp"),
    ] {
        let text = told(bytes);
        assert!(text.contains(&format!("begins as {mime_type} and ends before it says its size")), "{text}");
    }
    for bytes in [
        b"<svg/>".as_slice(),
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!DOCTYPE svg>\n<!-- a dot --><svg\nwidth='1'></svg>",
    ] {
        assert_eq!(Image::from_bytes(bytes).unwrap().mime_type(), "image/svg+xml");
    }
    let dot = Image::from_file(asset("dot.png")).unwrap();
    assert_eq!(format!("{dot:?}"), "Image(image/png, 73 bytes)");
}

#[test]
fn a_file_that_cannot_be_an_icon_is_named() {
    let told = |path: &Path| Icon::from_file(path).unwrap_err().to_string();
    let absent = told(Path::new("no/such/logo.png"));
    assert!(absent.starts_with(r#""no/such/logo.png" cannot be read: "#), "{absent}");
    assert!(
        absent.contains("a relative path begins in the folder that the program was started in"),
        "{absent}"
    );
    let cut_off = told(&asset("cut-off.png"));
    assert!(
        cut_off.contains("cut-off.png\" begins as image/png and ends before it says its size"),
        "{cut_off}"
    );
    assert!(told(&asset("")).contains("cannot be read"));
}

#[test]
fn an_icon_has_its_limit_and_a_picture_has_none() {
    let fits = Scratch::new("fits.svg", &svg(ICON_BYTES_MAX));
    assert!(Icon::from_file(&fits.0).is_ok());
    let large = Scratch::new("large.svg", &svg(ICON_BYTES_MAX + 1));
    let error = Icon::from_file(&large.0).unwrap_err().to_string();
    assert!(
        error.contains("large.svg\" has more than 65536 bytes") && error.contains("icon!(\"https://…\")"),
        "{error}"
    );
    let image = Image::from_file(&large.0).unwrap();
    let error = Icon::from_image(&image).unwrap_err().to_string();
    assert!(error.starts_with("this picture has more than 65536 bytes"), "{error}");
    assert!(Icon::from_image(&Image::from_bytes(svg(ICON_BYTES_MAX)).unwrap()).is_ok());
}

#[test]
fn why_a_picture_cannot_be_read_stays_in_the_log() {
    /// Draw what is not there.
    #[tool]
    fn draw() -> Result<Image, ToolError> {
        fn stored() -> Result<Image, ImageError> {
            Image::from_file("/srv/pictures of Ada/dot.png")
        }
        Ok(stored()?)
    }
    let stage = Stage::new(Server::new("dots", "1.0.0").tool(draw::tool()));
    let answer = stage.modern("tools/call", json!({"name": "draw"}));
    assert_eq!(answer.json["result"]["isError"], true, "{}", answer.text);
    assert!(!answer.text.contains("Ada"), "{}", answer.text);
    assert!(stage.log.all().contains("/srv/pictures of Ada/dot.png"), "{}", stage.log.all());
}
