//! Numbers of variable length, as the binary formats write them: LEB128, at most 64 bits.

/// The most bytes that a number takes.
pub const VARINT_BYTES_MAX: usize = 10;

/// What stands at the front of some bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Varint {
    /// A number, and how many bytes it takes. A padded number is the number.
    Number(u64, usize),
    /// The beginning of a number: more may come.
    Cut,
    /// No number, and none will come of it: more than 64 bits, or more than [`VARINT_BYTES_MAX`] bytes.
    Overflow,
}

/// Reads a number off the front of the bytes.
#[must_use]
#[inline]
pub fn read_varint(bytes: &[u8]) -> Varint {
    let mut number = 0_u64;
    for (at, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // Of the tenth byte one bit is left.
        if at == VARINT_BYTES_MAX - 1 && bits > 1 {
            return Varint::Overflow;
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Varint::Number(number, at + 1);
        }
    }
    if bytes.len() >= VARINT_BYTES_MAX { Varint::Overflow } else { Varint::Cut }
}

/// Appends a number.
pub fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while let low @ 0x80.. = number {
        bytes.push(u8::try_from(low & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
}

/// How many bytes a number takes.
#[must_use]
pub fn varint_len(number: u64) -> usize {
    let bits = usize::try_from(u64::BITS - number.leading_zeros()).expect("at most 64");
    bits.div_ceil(7).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_long_is_no_number() {
        assert_eq!(read_varint(&[]), Varint::Cut);
        assert_eq!(read_varint(&[0x80]), Varint::Cut);
        assert_eq!(read_varint(&[0x80, 0]), Varint::Number(0, 2));
        assert_eq!(read_varint(&[0xff; 9]), Varint::Cut);
        assert_eq!(read_varint(&[0xff; 10]), Varint::Overflow);
        assert_eq!(
            read_varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            Varint::Number(u64::MAX, 10)
        );
        assert_eq!(read_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]), Varint::Overflow);
        assert_eq!(read_varint(&[0x80; 12]), Varint::Overflow);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u64>(), shift in 0..64_u32, more in prop::collection::vec(any::<u8>(), 0..3)) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            write_varint(&mut bytes, number);
            let len = bytes.len();
            prop_assert_eq!(len, varint_len(number));
            for cut in 0..len {
                prop_assert_eq!(read_varint(&bytes[..cut]), Varint::Cut);
            }
            bytes.extend(more);
            prop_assert_eq!(read_varint(&bytes), Varint::Number(number, len));
        }
    }
}
