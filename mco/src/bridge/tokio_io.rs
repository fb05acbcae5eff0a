//! The traits of `tokio::io`.

macro_rules! read {
    ($stream:ty) => {
        impl tokio::io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: what is initialised there stays so (`Room`).
                let memory = unsafe { buf.unfilled_mut() };
                let done = ready!(self.poll_receive(context, &mut Room::of_memory(memory)))?;
                // SAFETY: that is what `poll_receive` has initialised.
                unsafe { buf.assume_init(done) };
                buf.advance(done);
                Poll::Ready(Ok(()))
            }
        }
    };
}

macro_rules! write {
    ($stream:ty) => {
        impl tokio::io::AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_transmit(context, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.poll_transmit_vectored(context, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_deliver(context)
            }

            /// Ends the writing direction. What is left to be read can be read.
            fn poll_shutdown(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.poll_end(context)
            }
        }
    };
}

pub(super) use {read, write};
