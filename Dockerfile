# sql-memory with its server, Postgres' driver and the packaged model: `docker build -t sql-memory .`
# It runs as a user without rights, and writes nothing but /tmp and /data: see compose.yaml.
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY memory memory
COPY locomo locomo
COPY sql_memory sql_memory
RUN python -m venv /opt/memory
RUN /opt/memory/bin/pip install --no-cache-dir ".[documents,postgres,server]"
RUN /opt/memory/bin/memory setup --yes

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home memory && install -d -o memory -g memory /data
COPY --from=build /opt/memory /opt/memory
ENV PATH=/opt/memory/bin:$PATH PYTHONDONTWRITEBYTECODE=1 XDG_DATA_HOME=/data HOME=/tmp
USER memory
VOLUME /data
EXPOSE 8765
ENTRYPOINT ["memory"]
CMD ["--help"]
