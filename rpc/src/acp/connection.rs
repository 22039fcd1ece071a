//! One connection, from its first byte to what is left of it.

use std::sync::Arc;
use std::time::Duration;

use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    AuthenticateRequest, CancelNotification, CloseSessionRequest, DeleteSessionRequest, InitializeRequest,
    ListSessionsRequest, LoadSessionRequest, NewSessionRequest, PromptRequest, ResumeSessionRequest,
    SetSessionConfigOptionRequest, SetSessionModeRequest,
};
use agent_client_protocol::{Client, Lines, on_receive_notification, on_receive_request};
use glasswork_app_runtime::attachments::Connection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::agent::Agent;
use super::elsewhere::Elsewhere;
use super::exchange::{Exchange, Out};
use super::lines::Pace;
use crate::socket::directory::Directory;
use crate::socket::host::Offer;
use crate::socket::talk::Talk;

/// How long a client that has left may take to read what was still said to it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A connection broke; the client may or may not have had the last of what was said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// Answers a request in a task of its own: a handler that waits would hold up all that comes after it.
macro_rules! answer {
    ($agent:expr, |$inner:ident, $request:ident: $type:ty| $answer:expr) => {{
        let agent = Arc::clone(&$agent);
        async move |$request: $type, responder, client| {
            let $inner = Arc::clone(&agent);
            let client: ConnectionTo<Client> = client;
            client.spawn(async move { responder.respond_with_result($answer) })
        }
    }};
}

/// The same for what opens a session, whose commands are announced behind the answer.
macro_rules! opens {
    ($agent:expr, $type:ty, $method:ident) => {{
        let agent = Arc::clone(&$agent);
        async move |request: $type, responder, client| {
            let agent = Arc::clone(&agent);
            let client: ConnectionTo<Client> = client;
            client.clone().spawn(async move {
                let opened = agent.$method(request, &client).await;
                let (session, answer) = match opened {
                    Ok((session, answer)) => (Some(session), Ok(answer)),
                    Err(error) => (None, Err(error)),
                };
                responder.respond_with_result(answer)?;
                match session {
                    Some(session) => agent.announce(&session, &client).await,
                    None => Ok(()),
                }
            })
        }
    }};
}

/// Serves one client in a host of its own, until it leaves or `stop` is over. Whatever of it still works then is
/// cancelled; what rests goes on resting; its sessions are closed, and nothing is left
/// running. Sessions that live in another host of `directory` are reached there, and go on there.
///
/// # Errors
/// [`Broken`] where the stream failed. That a client leaves is none.
pub async fn serve(
    offer: &Offer,
    directory: Option<Directory>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), Broken> {
    let connection = offer.clients.connect();
    let connection = connection.map_err(|error| Broken(error.to_string()))?;
    let out = Out::new(output);
    let elsewhere = directory.map(|directory| {
        let runtime = Arc::clone(offer.clients.runtime());
        Elsewhere::new(Arc::new(directory), runtime, out.clone())
    });
    hold(connection, offer, elsewhere, true, input, out, stop).await
}

/// Serves one client of a host that has others. Its sessions go on without it.
pub(crate) async fn serve_attached(
    connection: Connection,
    offer: &Offer,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), Broken> {
    hold(connection, offer, None, false, input, Out::new(output), stop).await
}

async fn hold(
    connection: Connection,
    offer: &Offer,
    elsewhere: Option<Arc<Elsewhere>>,
    alone: bool,
    input: impl AsyncRead + Send + Unpin + 'static,
    out: Out,
    stop: impl Future<Output = ()>,
) -> Result<(), Broken> {
    let pace = Arc::new(Pace::default());
    let (talk, told) = Talk::begin(connection, offer);
    let agent = Arc::new(Agent::new(Arc::clone(&talk), Arc::clone(&pace), alone));
    let left = Arc::new(Notify::new());
    let (exchange, own) = Exchange::begin(talk, told, elsewhere, input, out.clone());
    let lines = Lines::new(out.of_agent(pace), own);
    let connection = agent_client_protocol::Agent
        .v1()
        .name("glasswork")
        .on_receive_request(
            answer!(agent, |agent, request: InitializeRequest| {
                Ok(agent.initialize(&request))
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            answer!(agent, |agent, request: AuthenticateRequest| {
                agent.authenticate(&request)
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            opens!(agent, NewSessionRequest, new_session),
            on_receive_request!(),
        )
        .on_receive_request(opens!(agent, LoadSessionRequest, load), on_receive_request!())
        .on_receive_request(opens!(agent, ResumeSessionRequest, resume), on_receive_request!())
        .on_receive_request(
            answer!(agent, |agent, request: ListSessionsRequest| {
                agent.list(request).await
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            answer!(agent, |agent, request: DeleteSessionRequest| {
                agent.delete(request).await
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            answer!(agent, |agent, request: CloseSessionRequest| {
                agent.close(request).await
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            answer!(agent, |agent, request: SetSessionModeRequest| {
                agent.set_mode(request).await
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            answer!(agent, |agent, request: SetSessionConfigOptionRequest| {
                agent.set_option(request).await
            }),
            on_receive_request!(),
        )
        .on_receive_request(
            {
                let agent = Arc::clone(&agent);
                async move |request: PromptRequest, responder, client| {
                    let agent = Arc::clone(&agent);
                    let client: ConnectionTo<Client> = client;
                    // Now, and not in the task: what the client says next may cancel it.
                    let prompted = agent.hear(&request.session_id, responder.cancellation());
                    client.clone().spawn(async move {
                        let answer = match prompted {
                            Ok(prompted) => {
                                let answer = agent.prompt(request, &prompted, &client).await;
                                prompted.settled().await;
                                answer
                            }
                            Err(unknown) => Err(unknown),
                        };
                        responder.respond_with_result(answer)
                    })
                }
            },
            on_receive_request!(),
        )
        .on_receive_notification(
            {
                let agent = Arc::clone(&agent);
                async move |cancel: CancelNotification, client| {
                    let agent = Arc::clone(&agent);
                    let client: ConnectionTo<Client> = client;
                    // Before anything that is said after it is heard.
                    let acting = agent.begin_to_cancel(&cancel.session_id);
                    client.spawn(async move {
                        if let Some((attachment, _cancelling)) = acting {
                            // Where nothing works there is nothing to cancel.
                            drop(attachment.interrupt(true).await);
                        }
                        Ok(())
                    })
                }
            },
            on_receive_notification!(),
        )
        .on_close({
            let (left, agent) = (Arc::clone(&left), Arc::clone(&agent));
            async move |_client| {
                agent.lends_nothing();
                left.notify_one();
                Ok(())
            }
        })
        .connect_to(lines);
    // A client that says nothing more need not read any more either.
    let left = async {
        left.notified().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    // The connection ends, and with it all that answers, before its sessions are looked after.
    let ended = {
        let connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection => ended,
            () = left => Ok(()),
            () = stop => Ok(()),
        }
    };
    agent.left().await;
    exchange.end().await;
    ended.map_err(|error| Broken(error.to_string()))
}
