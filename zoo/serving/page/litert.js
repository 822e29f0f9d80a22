// LiteRT in the browser: opens a `.tflite` and runs its signatures.
//
// @litertjs/core 2.5.3 opens no file with a signature that has a tensor of bool ("Element type BOOL
// is not supported."), as `start` and `step` of most models here have; so this asks the bindings
// below its classes, which know every type. To be replaced by `loadAndCompile` when that takes bool.

const FLOAT32 = 1;
const INT32 = 2;
const ARRAYS = { [FLOAT32]: Float32Array, [INT32]: Int32Array };

let loading; // the runtime, once for the page

/** Returns LiteRT; the first call fetches it. */
export function loadRuntime() {
  loading ??= open().catch((error) => {
    loading = undefined; // so that it may be tried again
    throw error;
  });
  return loading;
}

async function open() {
  const { loadLiteRt, getDefaultEnvironment } = await import("@litertjs/core");
  // The path in full: the folder that it is loaded from is told from the script's own address.
  const { liteRtWasm } = await loadLiteRt(new URL("page/runtime/wasm/", document.baseURI).href);
  return { bindings: liteRtWasm, environment: getDefaultEnvironment() };
}

export class Interpreter {
  #bindings;
  #environment;
  #pointer;
  #model;
  #compiled;
  #signatures = {};

  /** Returns an interpreter of the bytes of a `.tflite`. */
  static async of(content) {
    const made = new Interpreter();
    const { bindings, environment } = await loadRuntime();
    made.#bindings = bindings;
    made.#environment = environment.liteRtEnvironment;
    made.#pointer = bindings._malloc(content.length); // the model is read from here as it runs
    bindings.HEAPU8.set(content, made.#pointer);
    made.#model = bindings.loadModel(made.#environment, made.#pointer, content.length);
    made.#compiled = await bindings.compileModel(made.#environment, made.#model, {
      environment,
      accelerator: "wasm",
      cpuOptions: { numThreads: 1 },
      gpuOptions: {},
      webNNOptions: {},
    });
    made.#readSignatures();
    return made;
  }

  #readSignatures() {
    for (let index = 0; index < this.#model.getNumSignatures(); index++) {
      const signature = this.#model.getSignature(index);
      const describe = (names, typeOf) =>
        listOf(names).map((name, place) => {
          const type = typeOf(index, place);
          const layout = type.layout();
          const shape = listOf(layout.dimensions());
          layout.delete();
          const described = { name, shape, elementType: type.elementType().value };
          type.delete();
          return described;
        });
      this.#signatures[signature.key()] = {
        index,
        inputs: describe(signature.inputNames(), (...at) => this.#model.getInputTensorType(...at)),
        outputs: describe(signature.outputNames(), (...at) =>
          this.#model.getOutputTensorType(...at),
        ),
      };
      signature.delete();
    }
  }

  /** Returns the shape of an input. */
  shapeOf(signature, name) {
    return this.#signatures[signature].inputs.find((input) => input.name === name).shape;
  }

  /**
   * Returns the outputs of a signature by name, as typed arrays; of bool and others, their bytes.
   *
   * @param {string} signature
   * @param {Object<string, ArrayBufferView>} values By the inputs' names, as large as the file says.
   */
  async run(signature, values) {
    const { index, inputs, outputs } = this.#signatures[signature];
    const filled = inputs.map(({ name }, place) => this.#filled(index, place, values[name]));
    const found = await this.#compiled.run(index, filled);
    for (const buffer of filled) buffer.delete();
    return Object.fromEntries(
      outputs.map(({ name, elementType }, place) => [name, this.#taken(found[place], elementType)]),
    );
  }

  #filled(index, place, value) {
    const bindings = this.#bindings;
    const type = this.#model.getInputTensorType(index, place);
    const size = type.bytes();
    if (value.byteLength !== size) {
      type.delete();
      throw new Error(`Expected ${size} bytes of input ${place}. Received: ${value.byteLength}.`);
    }
    const memory = bindings.LiteRtTensorBufferType.HOST_MEMORY;
    const create = bindings.LiteRtTensorBuffer.createManaged;
    const buffer = create(this.#environment, memory, type, size);
    type.delete();
    const pointer = buffer.lock(bindings.LiteRtTensorBufferLockMode.WRITE);
    bindings.HEAPU8.set(new Uint8Array(value.buffer, value.byteOffset, size), pointer);
    buffer.unlock();
    return buffer;
  }

  #taken(buffer, elementType) {
    const pointer = buffer.lock(this.#bindings.LiteRtTensorBufferLockMode.READ);
    const bytes = this.#bindings.HEAPU8.slice(pointer, pointer + buffer.packedSize());
    buffer.unlock();
    buffer.delete();
    const kind = ARRAYS[elementType];
    return kind ? new kind(bytes.buffer) : bytes;
  }

  /** Gives its memory back. */
  close() {
    this.#compiled.delete();
    this.#model.delete();
    this.#bindings._free(this.#pointer);
  }
}

function listOf(vector) {
  const list = Array.from({ length: vector.size() }, (_, place) => vector.get(place));
  vector.delete();
  return list;
}
