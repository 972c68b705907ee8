# The chat service of compose.yaml, for trying things out alone.
FROM python:3.13-slim-bookworm
WORKDIR /app
RUN pip install --no-cache-dir PyJWT==2.15.1 cryptography==50.0.2
COPY tests/e2e/chat_service.py tests/e2e/
COPY deploy/example/chats.py deploy/example/
USER 65534
CMD ["python3", "deploy/example/chats.py"]
