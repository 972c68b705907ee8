//! A handler that does nothing but answer, which is what a view is compared with.

use std::{net::TcpListener, path::Path};

use actix_web::{
    App, HttpRequest, HttpServer,
    http::header,
    web::{self, ServiceConfig},
};
use shared_chats::{
    app,
    config::{self, Config, Env},
    http::Lifecycle,
    telemetry::Route,
};

use crate::{Failure, answer::Answer};

/// What is answered, with and without `If-None-Match`.
#[derive(Clone)]
struct Answers {
    whole: Answer,
    not_modified: Answer,
}

/// Behind the same log, error shapes and bounds as the service's own routes.
pub async fn observed(route: &str, folder: &Path) -> Result<(), Failure> {
    let env = Env::of_process();
    app::start_log(config::log_format(&env)?, "info", None)?;
    let config = Config::from_env(&env)?;
    let listener = listen(&config)?;
    Ok(app::serve(listener, &config, &Lifecycle::default(), routes(route, folder)?)?.await?)
}

/// Within the same bounds, with nothing around it.
pub async fn bare(route: &str, folder: &Path) -> Result<(), Failure> {
    let config = Config::from_env(&Env::of_process())?;
    let listener = listen(&config)?;
    let routes = routes(route, folder)?;
    let mut server = HttpServer::new(move || App::new().configure(&routes))
        .h1_allow_half_closed(false)
        .disable_signals()
        .max_connections(config.max_connections)
        .client_request_timeout(config.request_timeout)
        .keep_alive(config.keep_alive);
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run().await?)
}

fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(config.bind_address)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

fn routes(
    route: &str,
    folder: &Path,
) -> Result<impl Fn(&mut ServiceConfig) + Clone + Send + use<>, Failure> {
    let route = route.to_owned();
    let whole = Answer::read(folder, 200)?;
    let not_modified = Answer::read(folder, 304).unwrap_or_else(|_| whole.clone());
    let answers = Answers { whole, not_modified };
    Ok(move |app: &mut ServiceConfig| {
        let resource = web::resource(&*route).app_data(Route::new(&route));
        app.app_data(web::Data::new(answers.clone()))
            .service(resource.route(web::get().to(answer)));
    })
}

async fn answer(request: HttpRequest, answers: web::Data<Answers>) -> actix_web::HttpResponse {
    if request.headers().contains_key(header::IF_NONE_MATCH) {
        answers.not_modified.give()
    } else {
        answers.whole.give()
    }
}
