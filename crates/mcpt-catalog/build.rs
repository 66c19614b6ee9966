//! Rebuilds the crate when a file is added to the embedded folders, which the embedding macro alone does not notice.

fn main() {
    for folder in ["../../charts", "../../templates", "schema"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
