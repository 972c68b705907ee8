DROP TABLE ended_users;
