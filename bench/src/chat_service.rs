//! A chat service on loopback that holds one chat under every id, as quick as it can be.

use std::{fs, net::TcpListener, path::Path};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    web::{self, Bytes},
};

use crate::Failure;

/// Serves the messages of the file, a JSON array.
pub async fn serve(messages: &Path) -> Result<(), Failure> {
    let messages = Bytes::from(fs::read(messages)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(messages.clone()))
            .route("/api/v1/chats/{id}", web::get().to(chat))
            .route("/api/v1/chats/{id}/messages", web::get().to(page))
            .route("/api/v1/chats/{id}/agent_server_files", web::get().to(files))
    });
    Ok(server.workers(1).listen(listener)?.run().await?)
}

async fn chat(id: web::Path<String>) -> HttpResponse {
    json(format!(r#"{{"id":"{id}","name":"A chat of the benchmark"}}"#).into())
}

/// All of it is on the first page.
async fn page(request: HttpRequest, messages: web::Data<Bytes>) -> HttpResponse {
    let is_first = request.query_string().split('&').any(|part| part == "offset=0");
    json(if is_first { messages.get_ref().clone() } else { Bytes::from_static(b"[]") })
}

async fn files() -> HttpResponse {
    json(Bytes::from_static(b"[]"))
}

fn json(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}
