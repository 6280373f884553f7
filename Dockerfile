# swapfill serve, on a CPU: the API and the page, with everything they need, offline.
#
#     docker build -t swapfill . && docker run --rm -p 127.0.0.1:8000:8000 swapfill

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/swapfill
ENV PATH=/opt/swapfill/bin:$PATH
# PyTorch first: it is large, changes rarely, and has wheels for a CPU alone at an index of its own.
RUN pip install --no-cache-dir "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE ./
COPY src src
# hadolint ignore=DL3013  # this very source, which has no version to pin
RUN pip install --no-cache-dir ".[serve,torch]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/swapfill /opt/swapfill
ENV PATH=/opt/swapfill/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# No name, no home, no shell: nobody that the image knows.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# The server finishes what it took; give it longer than --stop-time: docker stop --time 130.
STOPSIGNAL SIGTERM
ENTRYPOINT ["swapfill"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
