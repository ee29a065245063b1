//! Defragmentation while the member serves: the copy is made beside the file, the commit thread only
//! swaps.

use backend::{Committer, Defrag, DefragProgress, Done, Error as BackendError};
use proto::error::{Code, Error as Known, Status};
use tokio::sync::oneshot;

use crate::commit::{Finished, Task};
use crate::handle::Node;
use crate::runtime::blocking;

/// How often a copy is begun again because a compaction got ahead of it.
const ATTEMPTS: usize = 5;

impl Node {
    /// Rewrites the database without its holes; one caller after another.
    ///
    /// # Errors
    /// With the reason, when the copy cannot be made: the database is as before.
    pub async fn defragment(&self) -> Result<(), Status> {
        let _turn = self.0.defragmenting.lock().await;
        let start = self.now();
        let under_way = self.metrics().storage.defragmentation();
        let done = self.rewrite().await;
        if done.is_ok() {
            under_way.done(self.now().since(start));
        }
        done
    }

    async fn rewrite(&self) -> Result<(), Status> {
        for _ in 0..ATTEMPTS {
            let started = self.on_committer(|committer| committer.start_defrag().map(Ok)).await?;
            let mut defrag = started.map_err(|error| failed(&error))?;
            let copying = move || {
                while defrag.step()? == DefragProgress::More {}
                Ok::<Defrag, BackendError>(defrag)
            };
            let copied = blocking(self.tasks(), copying).await;
            let copied = copied.ok_or_else(|| Status::from(Known::Stopped))?;
            let defrag = copied.map_err(|error| failed(&error))?;
            match self.swap(|committer| committer.finish_defrag(defrag)).await? {
                Ok(()) => return Ok(()),
                // Records were deleted meanwhile: the copy has what the file has not.
                Err(BackendError::Stale) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        // On the commit thread no compaction comes between: commits wait for the copy instead.
        let rewritten = self.swap(|committer| {
            let mut defrag = committer.start_defrag()?;
            while defrag.step()? == DefragProgress::More {}
            committer.finish_defrag(defrag)
        });
        rewritten.await?.map_err(|error| failed(&error))
    }

    /// Runs a function on the commit thread that leaves the file as it is.
    async fn on_committer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Committer) -> Result<Result<T, BackendError>, BackendError>
        + Send
        + 'static,
    ) -> Result<Result<T, BackendError>, Status> {
        let (sender, receiver) = oneshot::channel();
        self.0.commit.complete(Task::Maintain(Box::new(move |committer, _| {
            let result = match work(committer) {
                Err(error @ (BackendError::Defrag(_) | BackendError::Stale)) => Err(error),
                other => other?,
            };
            // Whoever asked may be gone.
            let _ = sender.send(result);
            Ok(Finished::Nothing)
        })));
        receiver.await.map_err(|_| Known::Stopped.into())
    }

    /// Runs a function on the commit thread that puts another file in the place of the file.
    async fn swap(
        &self,
        work: impl FnOnce(&mut Committer) -> Result<Done, BackendError> + Send + 'static,
    ) -> Result<Result<(), BackendError>, Status> {
        let (sender, receiver) = oneshot::channel();
        self.0.commit.complete(Task::Maintain(Box::new(move |committer, _| {
            let (result, finished) = match work(committer) {
                Ok(done) => (Ok(()), Finished::Committed(done)),
                Err(error @ (BackendError::Defrag(_) | BackendError::Stale)) => {
                    (Err(error), Finished::Nothing)
                }
                Err(error) => return Err(error),
            };
            // Whoever asked may be gone.
            let _ = sender.send(result);
            Ok(finished)
        })));
        receiver.await.map_err(|_| Known::Stopped.into())
    }
}

fn failed(error: &BackendError) -> Status {
    Status::new(Code::Unknown, error.to_string())
}
