//! PEM blocks.

use pem::{EncodeConfig, LineEnding, Pem};

/// What stands between `BEGIN` and `END`.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) data: Vec<u8>,
}

/// The first block of a text; what stands around it is passed over.
pub(super) fn first(text: &str) -> Option<Block> {
    let block = pem::parse_many(text).ok()?.into_iter().next()?;
    Some(Block {
        label: block.tag().to_owned(),
        data: block.into_contents(),
    })
}

/// A block with lines of 64 characters.
pub(super) fn text(label: &str, data: Vec<u8>) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, data), config)
}
