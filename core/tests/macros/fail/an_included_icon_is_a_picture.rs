use edgemcp::prelude::*;

/// Draw a dot.
#[tool(icon = include_icon!("dot.png"))]
fn dot() {}

fn main() {
    let _: [Icon; 7] = [
        include_icon!(),
        include_icon!(concat!("../../assets/", "dot.png")),
        include_icon!("../../../../Cargo.lock"),
        include_icon!("an_included_icon_is_a_picture.rs"),
        include_icon!("../../assets/cut-off.png"),
        include_icon!("../../assets/dot.png", mime_type = "image/png"),
        include_icon!("../../assets/dot.png", theme = Gray),
    ];
}
