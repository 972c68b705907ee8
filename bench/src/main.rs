//! What the benchmarks measure the service against, and what loads it where `wrk` cannot.

mod answer;
mod chat_service;
mod reference;
mod storm;
mod watchers;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
shared-chats-bench reference ROUTE FOLDER   the answers of FOLDER, behind the service's own middleware
shared-chats-bench bare ROUTE FOLDER        the same without the middleware
shared-chats-bench chats FILE               a chat service: the file's messages as every chat
shared-chats-bench watch ADDRESS PATH COUNT so many event streams, and when messages reached them
shared-chats-bench storm ADDRESS MIX RATE SECONDS CONNECTIONS
                                            RATE requests a second, answered or not; storm/mix.rs says what MIX is";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["storm", address, mix, rate, seconds, connections] = arguments[..] {
        let plan = storm::Plan {
            address: address.parse()?,
            rate: rate.parse()?,
            seconds: seconds.parse()?,
            connections: connections.parse()?,
        };
        // One thread: what is measured needs the others.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(storm::run(plan, mix.as_ref()));
    }
    // As the service does it: its workers have runtimes of their own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments[..] {
            ["reference", route, folder] => reference::observed(route, folder.as_ref()).await,
            ["bare", route, folder] => reference::bare(route, folder.as_ref()).await,
            ["chats", messages] => chat_service::serve(messages.as_ref()).await,
            ["watch", address, path, count] => watchers::watch(address, path, count.parse()?).await,
            _ => Err(USAGE.into()),
        }
    })
}
