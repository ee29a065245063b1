//! How messages become bytes and back: by prost, behind the guard against deep nesting.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::{Message, Name};
use proto::DecodeError;
use proto::etcdserverpb::TxnRequest;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::status::status;
use crate::traffic;

/// The codec of every service: encodes `T`, decodes `U`.
pub(crate) struct GuardedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for GuardedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for GuardedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = GuardedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        GuardedDecoder(PhantomData)
    }
}

pub(crate) struct ProstEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for ProstEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let before = buffer.remaining_mut();
        item.encode(buffer).expect("the buffer grows");
        traffic::sent(before.saturating_sub(buffer.remaining_mut()));
        Ok(())
    }
}

pub(crate) struct GuardedDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for GuardedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        decode(bytes).map(Some)
    }
}

/// Reads a message that came.
///
/// # Errors
/// The status to answer with.
pub(crate) fn decode<U: Message + Name + Default>(bytes: Bytes) -> Result<U, Status> {
    traffic::received(bytes.len());
    proto::decode_request(bytes).map_err(refusal::<U>)
}

/// The status of a message that cannot be read.
fn refusal<U: Name>(error: DecodeError) -> Status {
    match error {
        // As in Go, where such a transaction is read and then found to have too many levels.
        DecodeError::TooDeep { .. } if U::NAME == TxnRequest::NAME => {
            status(proto::error::Error::TooManyOps.into())
        }
        // grpc-go's words, and those of Go's protobuf.
        error if error.is_of_text() => unreadable("string field contains invalid UTF-8"),
        _ => unreadable("proto: cannot parse invalid wire-format data"),
    }
}

fn unreadable(reason: &str) -> Status {
    Status::internal(format!("grpc: error unmarshalling request: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::etcdserverpb::{AuthUserAddRequest, RangeRequest};

    fn words<U: Message + Name + Default>(bytes: &'static [u8]) -> String {
        let error = proto::decode_request::<U>(bytes).map(drop).expect_err("it is refused");
        refusal::<U>(error).message().to_owned()
    }

    #[test]
    fn what_is_no_message_is_refused_in_gos_words() {
        let text = "grpc: error unmarshalling request: \
                    proto: cannot parse invalid wire-format data";
        for bytes in [&b"\xff\xff\xff"[..], b"\x0a\x05a", b"\x0f", b"\x02\x00", b"\x0c", b"\x0a"] {
            assert_eq!(words::<RangeRequest>(bytes), text, "{bytes:?}");
        }
        let text = "grpc: error unmarshalling request: string field contains invalid UTF-8";
        assert_eq!(words::<AuthUserAddRequest>(b"\x0a\x01\xff"), text);
    }
}
