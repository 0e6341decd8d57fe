//! The example of docs/block.md, byte for byte as it stands there.

use super::*;

const BLOCK: &str = "50 47 50 42 02 03 00 00  00 00 00 00 00 00 00 00
    03 00 00 00 2d 00 00 00  2c 00 00 00 39 00 00 00
    41 b7 18 ef 20 d0 96 03  69 ec f8 ad ef db 4b 4b
    00 00 00 00
    28 b5 2f fd 00 40
    60 01 00
    02 00 1a 00 00 00 00 02  04 00 02 fe ff ff ff ff
    ff ff ff 02 01 00 01 01  00 00 00 00 00 00 00 00
    00 2e 07 00 01 00 02 01  00 61 62 63";

const END: &str = "50 47 50 42 02 00 00 00  01 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00  00 00 00 00 03 00 00 00
    c2 94 d3 38 05 80 06 2d  27 22 a2 3f 3d c5 7c 81
    01 00 00";

const RAW: &str = "00 02  00 00 00 04 ff ff ff fe  00 00 00 02 61 62
    00 02  00 00 00 04 00 00 01 2c  ff ff ff ff
    00 02  00 00 00 04 00 00 00 05  00 00 00 01 63";

fn bytes(hex: &str) -> Vec<u8> {
    let bytes = hex.split_whitespace();
    bytes.map(|b| u8::from_str_radix(b, 16).unwrap()).collect()
}

#[test]
fn the_specification_s_example_is_decoded() {
    let params = ChunkParams {
        level: Some(1),
        window_log: 18,
    };
    let (accepted, error) = decode_chunk(params, &[bytes(BLOCK), bytes(END)]);
    assert_eq!(error, None);
    assert_eq!(accepted, [bytes(RAW), Vec::new()]);
}
