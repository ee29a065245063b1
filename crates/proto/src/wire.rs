//! The protobuf wire format for the messages whose bytes have to be Go's to the letter.
//!
//! A message describes itself twice: [`Fields::write`] names its fields in the order in which Go
//! writes them, [`Fields::merge_field`] takes them in any order. Lengths, nesting, unknown fields
//! and damaged bytes are dealt with here, once.
//!
//! Does not know any message.
//!
//! Invariants: `encoded_len` is the length of what `encode` writes; a reader never looks beyond its
//! end, and `at <= end <= bytes.len()`; decoding allocates for elements that are really there.

use bytes::{BufMut, Bytes};

/// How deep messages may lie in each other. Raft's own never go beyond 6.
const NESTING_MAX: u32 = 16;

/// Why bytes are not the message that they should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// They don't follow the wire format, or a field has another type.
    #[error("malformed message at byte {offset}: {reason}")]
    Malformed {
        /// Where, from the first byte of the outermost message.
        offset: usize,
        /// What was found there.
        reason: &'static str,
    },
    /// Messages lie deeper in each other than is safe to read.
    #[error("message is nested more than {limit} levels deep")]
    TooDeep {
        /// How many levels are allowed, the outermost message included.
        limit: u32,
    },
    /// The generated decoder refused them.
    #[error("{0}")]
    Refused(#[from] prost::DecodeError),
}

impl DecodeError {
    /// Whether a text field holds what is no text.
    #[must_use]
    pub fn is_of_text(&self) -> bool {
        matches!(self, Self::Refused(error) if error.to_string().contains("UTF-8"))
    }
}

/// A message in this module's codec.
pub(crate) trait Fields: Default {
    /// Names every field that is to be written, in order.
    fn write(&self, out: &mut impl Sink);

    /// Takes a field; an unknown one is passed over. A message field that comes twice is merged, a
    /// scalar one replaced.
    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError>;

    /// Called when all fields are in.
    fn finish(&mut self) {}
}

/// Takes the fields of a message: to write them, or to add up their length.
pub(crate) trait Sink {
    fn varint(&mut self, number: u32, value: u64);
    fn bytes(&mut self, number: u32, value: &[u8]);
    fn message(&mut self, number: u32, message: &impl Fields);

    /// A field that is left out when there is nothing in it, as Go leaves out nil.
    fn nonempty_bytes(&mut self, number: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(number, value);
        }
    }

    fn varints(&mut self, number: u32, values: &[u64]) {
        for value in values {
            self.varint(number, *value);
        }
    }
}

/// The length of a message's encoding.
pub(crate) fn encoded_len(message: &impl Fields) -> usize {
    length_of(|length| message.write(length))
}

/// The length of what the function writes.
pub(crate) fn length_of(write: impl FnOnce(&mut Length)) -> usize {
    let mut length = Length(0);
    write(&mut length);
    length.0
}

/// Writes a message. The buffer has to have room or to grow, else it panics.
pub(crate) fn encode(message: &impl Fields, out: &mut impl BufMut) {
    message.write(&mut Encoder::new(out));
}

/// Reads a message that fills the bytes exactly. Byte fields of the result share `bytes`.
pub(crate) fn decode<M: Fields>(bytes: &Bytes) -> Result<M, DecodeError> {
    let mut message = M::default();
    let reader = Reader { bytes, at: 0, end: bytes.len(), nesting: 1 };
    reader.merge_into(&mut message)?;
    Ok(message)
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const GROUP_BEGIN: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

/// The length of a number's variable-length encoding: 1 to 10.
pub(crate) const fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Adds up the length of fields.
pub(crate) struct Length(usize);

impl Length {
    fn key(&mut self, number: u32) {
        self.0 += varint_len(u64::from(number << 3));
    }
}

impl Sink for Length {
    fn varint(&mut self, number: u32, value: u64) {
        self.key(number);
        self.0 += varint_len(value);
    }

    fn bytes(&mut self, number: u32, value: &[u8]) {
        self.key(number);
        self.0 += varint_len(value.len() as u64) + value.len();
    }

    fn message(&mut self, number: u32, message: &impl Fields) {
        self.key(number);
        let length = encoded_len(message);
        self.0 += varint_len(length as u64) + length;
    }
}

/// Writes fields.
pub(crate) struct Encoder<'a, B> {
    out: &'a mut B,
}

impl<'a, B: BufMut> Encoder<'a, B> {
    pub(crate) fn new(out: &'a mut B) -> Self {
        Self { out }
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }

    fn key(&mut self, number: u32, wire_type: u32) {
        self.raw_varint(u64::from(number << 3 | wire_type));
    }
}

impl<B: BufMut> Sink for Encoder<'_, B> {
    fn varint(&mut self, number: u32, value: u64) {
        self.key(number, VARINT);
        self.raw_varint(value);
    }

    fn bytes(&mut self, number: u32, value: &[u8]) {
        self.key(number, BYTES);
        self.raw_varint(value.len() as u64);
        self.out.put_slice(value);
    }

    fn message(&mut self, number: u32, message: &impl Fields) {
        self.key(number, BYTES);
        self.raw_varint(encoded_len(message) as u64);
        message.write(self);
    }
}

/// The value of a field as it stands on the wire.
pub(crate) enum Value<'a> {
    Varint {
        value: u64,
        offset: usize,
    },
    Bytes(Reader<'a>),
    /// A fixed-width number or a group, which no message here has.
    Other {
        offset: usize,
    },
}

impl<'a> Value<'a> {
    pub(crate) fn varint(self) -> Result<u64, DecodeError> {
        match self {
            Self::Varint { value, .. } => Ok(value),
            other => Err(other.mismatch("a number is missing")),
        }
    }

    pub(crate) fn bool(self) -> Result<bool, DecodeError> {
        Ok(self.varint()? != 0)
    }

    /// A number that names something, through the function that knows the names.
    pub(crate) fn named<T>(self, known: impl Fn(u64) -> Option<T>) -> Result<T, DecodeError> {
        let offset = self.offset();
        known(self.varint()?).ok_or(DecodeError::Malformed { offset, reason: "unknown enum value" })
    }

    /// A slice that shares the message's memory.
    pub(crate) fn bytes(self) -> Result<Bytes, DecodeError> {
        let reader = self.reader()?;
        Ok(reader.bytes.slice(reader.at..reader.end))
    }

    /// Merges a message field.
    pub(crate) fn merge_into(self, message: &mut impl Fields) -> Result<(), DecodeError> {
        self.reader()?.merge_into(message)
    }

    pub(crate) fn message<M: Fields>(self) -> Result<M, DecodeError> {
        let mut message = M::default();
        self.merge_into(&mut message)?;
        Ok(message)
    }

    /// An element of a repeated number, or several of them packed.
    pub(crate) fn push_varints(self, into: &mut Vec<u64>) -> Result<(), DecodeError> {
        match self {
            Self::Varint { value, .. } => into.push(value),
            other => {
                let mut reader = other.reader()?;
                while reader.at < reader.end {
                    into.push(reader.raw_varint()?);
                }
            }
        }
        Ok(())
    }

    fn reader(self) -> Result<Reader<'a>, DecodeError> {
        match self {
            Self::Bytes(reader) => Ok(reader),
            other => Err(other.mismatch("a length-delimited field is missing")),
        }
    }

    fn offset(&self) -> usize {
        match self {
            Self::Varint { offset, .. } | Self::Other { offset } => *offset,
            Self::Bytes(reader) => reader.at,
        }
    }

    fn mismatch(&self, reason: &'static str) -> DecodeError {
        DecodeError::Malformed { offset: self.offset(), reason }
    }
}

/// A part of the input that is to be read.
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    end: usize,
    nesting: u32,
}

impl<'a> Reader<'a> {
    fn merge_into(mut self, message: &mut impl Fields) -> Result<(), DecodeError> {
        if self.nesting > NESTING_MAX {
            return Err(DecodeError::TooDeep { limit: NESTING_MAX });
        }
        while self.at < self.end {
            let (number, value) = self.field()?;
            message.merge_field(number, value)?;
        }
        message.finish();
        Ok(())
    }

    fn malformed(&self, reason: &'static str) -> DecodeError {
        DecodeError::Malformed { offset: self.at, reason }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), DecodeError> {
        let offset = self.at;
        let (number, wire_type) = self.key()?;
        let value = match wire_type {
            VARINT => Value::Varint { value: self.raw_varint()?, offset },
            BYTES => Value::Bytes(self.delimited()?),
            GROUP_END => return Err(self.malformed("a group ends that never began")),
            _ => {
                self.skip(wire_type)?;
                Value::Other { offset }
            }
        };
        Ok((number, value))
    }

    fn key(&mut self) -> Result<(u32, u32), DecodeError> {
        let key = self.raw_varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(u32::MAX);
        if number == 0 || number > 0x1fff_ffff {
            return Err(self.malformed("not a field number"));
        }
        Ok((number, (key & 7) as u32))
    }

    fn raw_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.malformed("a number is longer than 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a number is longer than 10 bytes"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.end - self.at {
            return Err(self.malformed("the message ends inside a field"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn delimited(&mut self) -> Result<Reader<'a>, DecodeError> {
        let length = self.raw_varint()?;
        let at = self.at;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Reader { bytes: self.bytes, at, end: self.at, nesting: self.nesting + 1 })
    }

    /// Passes over a value of a type that no message here has; groups within groups are counted,
    /// not descended into.
    fn skip(&mut self, wire_type: u32) -> Result<(), DecodeError> {
        let mut open_groups = 0_usize;
        let mut wire_type = wire_type;
        loop {
            match wire_type {
                VARINT => _ = self.raw_varint()?,
                FIXED64 => _ = self.take(8)?,
                BYTES => _ = self.delimited()?,
                GROUP_BEGIN => open_groups += 1,
                GROUP_END => open_groups -= 1,
                FIXED32 => _ = self.take(4)?,
                _ => return Err(self.malformed("unknown wire type")),
            }
            if open_groups == 0 {
                return Ok(());
            }
            wire_type = self.key()?.1;
        }
    }
}

/// Gives a message its codec: `encoded_len`, `encode`, `encode_to_vec`, `decode`.
macro_rules! codec {
    ($($message:ty),+ $(,)?) => {$(
        impl $message {
            /// How many bytes [`encode`](Self::encode) writes.
            #[must_use]
            pub fn encoded_len(&self) -> usize {
                $crate::wire::encoded_len(self)
            }

            /// Writes the message, byte for byte as Go does.
            ///
            /// # Panics
            /// If the buffer neither has room nor grows. `Vec` and `BytesMut` grow.
            pub fn encode(&self, out: &mut impl bytes::BufMut) {
                $crate::wire::encode(self, out);
            }

            /// The message in an allocation of exactly its size.
            #[must_use]
            pub fn encode_to_vec(&self) -> Vec<u8> {
                let mut out = Vec::with_capacity(self.encoded_len());
                self.encode(&mut out);
                out
            }

            /// Reads a message that fills the bytes exactly. Fields may come in any order or be
            /// missing; unknown ones are passed over. Byte fields of the result share the memory
            /// of `bytes`.
            ///
            /// # Errors
            /// If the bytes are no such message.
            pub fn decode(bytes: impl Into<bytes::Bytes>) -> Result<Self, $crate::DecodeError> {
                $crate::wire::decode(&bytes.into())
            }
        }
    )+};
}
pub(crate) use codec;

/// Gives an enum the function from its wire number.
macro_rules! from_number {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl $name {
            /// The variant with this number on the wire.
            #[must_use]
            pub fn from_number(number: u64) -> Option<Self> {
                match number {
                    $(number if number == Self::$variant as u64 => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use from_number;
