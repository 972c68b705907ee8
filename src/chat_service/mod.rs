//! Where chats come from (contract 5): the chat service by HTTP, or a JSON file.
