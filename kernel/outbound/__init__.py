"""Requests to other servers, made on behalf of programs that are not trusted."""
