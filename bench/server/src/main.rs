//! What the benchmarks measure the service beside, and the load that `wrk` cannot make.

mod bare;
mod watchers;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
shared-chats-bench bare ROUTE FILE          answers every request to the route with the file
shared-chats-bench watch ADDRESS PATH COUNT opens event streams, and prints when messages reach them";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // As in the service: actix's workers have runtimes of their own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments[..] {
            ["bare", route, file] => bare::serve(route, file.as_ref()).await,
            ["watch", address, path, count] => watchers::watch(address, path, count.parse()?).await,
            _ => Err(USAGE.into()),
        }
    })
}
