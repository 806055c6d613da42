//! Writes the vectors of this version: `cargo run -p vault-format --example vectors`.

#[path = "../tests/vectors/cases.rs"]
mod cases;
#[allow(dead_code)] // what only the runner needs
#[path = "../tests/vectors/codec.rs"]
mod codec;

fn main() -> std::io::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1");
    for (name, vector) in cases::all() {
        let folder = root.join(&vector.structure);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name).with_extension("txt"), vector.to_text())?;
    }
    Ok(())
}
