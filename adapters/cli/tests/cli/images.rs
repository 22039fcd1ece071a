//! `run --image`: what is shown with a prompt, and files that are no images.

use std::fs;

use serde_json::json;

use super::support::House;

/// A PNG of 3 by 2 pixels.
const PNG: &[u8] = include_bytes!("three-by-two.png");

#[test]
fn images_are_shown_with_the_prompt_and_the_graph_says_as_what() {
    let house = House::new();
    let script = house.script(r#"(expect: "a.png", say: [text("Two dots.")])"#);
    let work = &house.work;
    fs::write(work.join("a.png"), PNG).unwrap();
    fs::write(work.join("b.dat"), PNG).unwrap();
    let done = house.run([
        "run",
        "What is it?",
        "--model",
        &script,
        "--image",
        "a.png",
        "--image",
        "b.dat",
    ]);
    assert_eq!((done.code, &*done.out), (0, "Two dots.\n"), "{}", done.err);
    let query = "{ request(session: \"last\", step: 1) { messages { nodes { text images { sentAs image { name mediaType width \
                 height } } } } } }";
    let image = |name: &str| json!({ "sentAs": "IMAGE", "image": { "name": name, "mediaType": "image/png", "width": 3, "height": 2 } });
    assert_eq!(
        house.json(["query", query])["data"]["request"]["messages"]["nodes"],
        json!([{ "text": "What is it?", "images": [image("a.png"), image("b.dat")] }])
    );
    assert!(house.run(["replay", "last"]).code == 0);
}

#[test]
fn a_file_that_is_no_image_ends_it_before_anything_begins() {
    let house = House::new();
    let script = house.script("(say: [text(\"Never.\")])");
    let work = &house.work;
    fs::write(work.join("text.png"), "I am a text.").unwrap();
    fs::write(work.join("cut.png"), &PNG[..PNG.len() - 20]).unwrap();
    fs::create_dir(work.join("folder")).unwrap();
    fs::File::create(work.join("long.png"))
        .unwrap()
        .set_len((32 << 20) + 1)
        .unwrap();
    let bomb = [
        &PNG[..16],
        &50_000u32.to_be_bytes(),
        &50_000u32.to_be_bytes(),
        &PNG[24..],
    ]
    .concat();
    fs::write(work.join("bomb.png"), bomb).unwrap();
    let table = [
        (
            "text.png",
            "the image text.png is no image of a kind that is taken; convert it to PNG, JPEG, GIF or WebP",
        ),
        ("cut.png", "the image cut.png is damaged or incomplete: "),
        ("folder", "the image folder is a directory, not a file"),
        (
            "long.png",
            "the image long.png has 33554433 bytes, more than the 33554432 that are taken",
        ),
        ("bomb.png", "the image bomb.png is damaged or incomplete: "),
        (
            "none.png",
            "the image none.png cannot be read: No such file or directory",
        ),
    ];
    for (file, told) in table {
        let done = house.run(["run", "What is it?", "--model", &script, "--image", file]);
        assert_eq!((done.code, &*done.out), (2, ""), "{file}: {}", done.err);
        assert!(done.err.contains(told), "{file}: {}", done.err);
    }
    assert_eq!(house.json(["sessions", "list", "--json"]), json!([]));
}
