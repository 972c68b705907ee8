//! A handler without middleware that gives one recorded answer to every request.

use std::{fs, net::TcpListener, path::Path};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::{self, Bytes},
};

use crate::Failure;

/// The file's answer at the route, on a free port of the loopback address, which is printed.
pub async fn serve(route: &str, file: &Path) -> Result<(), Failure> {
    let answer = web::Data::new(Answer::read(file)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let route = route.to_owned();
    let server = HttpServer::new(move || {
        App::new().app_data(answer.clone()).route(&route, web::route().to(give))
    });
    Ok(server.listen(listener)?.run().await?)
}

/// The body is read as well, which keeps the connection open.
async fn give(answer: web::Data<Answer>, _body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status);
    for (name, value) in &answer.headers {
        response.insert_header((name.clone(), value.clone()));
    }
    if answer.body.is_empty() { response.finish() } else { response.body(answer.body.clone()) }
}

struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    /// Reads a line with the status, a line for each header, an empty line, and the body.
    fn read(file: &Path) -> Result<Self, Failure> {
        let bytes = Bytes::from(fs::read(file)?);
        let end = bytes.windows(2).position(|two| two == b"\n\n").ok_or("a head without end")?;
        let mut lines = std::str::from_utf8(&bytes[..end])?.lines();
        let status = lines.next().ok_or("no status")?.parse()?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
            headers.push((name.parse()?, value.parse()?));
        }
        Ok(Self { status, headers, body: bytes.slice(end + 2..) })
    }
}
