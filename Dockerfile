# Hark in a container: the steps of `make install` and `make run`, as a user without rights.
#
#   docker build -t hark .
#   docker run -p 127.0.0.1:5055:5055 -e STT_ALLOW_OPEN=1 -v hark:/app/var hark
#   docker run -p 5055:5055 -e STT_API_KEYS=<key>:<tenant> -v hark:/app/var hark
#
# It refuses to start when neither is given: inside, it listens to everybody. The volume holds the
# transcripts and the models that were downloaded; a small demo model is in the image.
#
# On a GPU (NVIDIA Container Toolkit), build on a CUDA runtime that has cuDNN 9 and Python 3.11+:
#
#   docker build -t hark:cuda --build-arg BASE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 .
#   docker run --gpus all -e STT_NUM_WORKERS=2 ... hark:cuda

ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS base
# A base without Python (CUDA, plain Debian) gets its own; versions are those of the base.
# hadolint ignore=DL3008
RUN python3 -c 'import ensurepip, venv' 2>/dev/null \
    || { apt-get update -qq \
         && apt-get install -y -qq --no-install-recommends python3 python3-venv \
         && rm -rf /var/lib/apt/lists/*; }
RUN python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'

FROM base AS build
WORKDIR /app
COPY requirements.txt .
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip --disable-pip-version-check --quiet \
       install --no-cache-dir -r requirements.txt

FROM base
WORKDIR /app
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hark \
    && mkdir var && chown hark:hark var
COPY --from=build /app/.venv .venv
COPY . .
ENV STT_HOST=0.0.0.0 \
    STT_PORT=5055 \
    HF_HOME=/app/var/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 5055
VOLUME /app/var
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD [".venv/bin/python", "-c", \
    "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"STT_PORT\"]}/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD [".venv/bin/gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"]
