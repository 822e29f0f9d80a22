// Runs the golden examples of a device bundle through LiteRT's C API, with no Python in the process.
//
//     zoo export NAME --format litert --bundle --to bundle
//     g++ -std=c++17 -O2 tools/run_bundle.cc -o run_bundle LIBRARY -Wl,-rpath,FOLDER
//     ./run_bundle bundle/NAME/1
//
// prints what the model answers to each example, as text where it writes text, and compares every
// output with golden/: whole numbers, and the others to 0.001. LIBRARY is libLiteRt.so, which
// ai-edge-litert's wheel carries, and FOLDER where it lies. The wheel (2.3.0) has no headers, so the
// part of the C API that is used is declared below; an app that builds LiteRT includes
// litert/c/*.h instead. Exit status: 0, 1 (standard error ends in why), 2 (usage).

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
using LiteRtStatus = int;  // 0 is success
using LiteRtParamIndex = std::size_t;
using LiteRtEnvironment = struct LiteRtEnvironmentT*;
using LiteRtModel = struct LiteRtModelT*;
using LiteRtSignature = struct LiteRtSignatureT*;
using LiteRtTensor = struct LiteRtTensorT*;
using LiteRtOptions = struct LiteRtOptionsT*;
using LiteRtCompiledModel = struct LiteRtCompiledModelT*;
using LiteRtTensorBuffer = struct LiteRtTensorBufferT*;
using LiteRtTensorBufferRequirements = struct LiteRtTensorBufferRequirementsT*;
// Handed from one function to the next; the real one has 72 bytes on a 64-bit machine.
struct alignas(16) LiteRtRankedTensorType {
  unsigned char bytes[256];
};

LiteRtStatus LiteRtCreateEnvironment(int, const void*, LiteRtEnvironment*);
void LiteRtDestroyEnvironment(LiteRtEnvironment);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char*, LiteRtModel*);
void LiteRtDestroyModel(LiteRtModel);
LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel, LiteRtParamIndex*);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, LiteRtParamIndex, LiteRtSignature*);
LiteRtStatus LiteRtGetSignatureKey(LiteRtSignature, const char**);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, LiteRtParamIndex*);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature, LiteRtParamIndex, const char**);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, LiteRtParamIndex, LiteRtTensor*);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, LiteRtParamIndex*);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature, LiteRtParamIndex, const char**);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, LiteRtParamIndex,
                                                   LiteRtTensor*);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions*);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
void LiteRtDestroyOptions(LiteRtOptions);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions,
                                       LiteRtCompiledModel*);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, LiteRtParamIndex,
                                                           LiteRtParamIndex,
                                                           LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, LiteRtParamIndex,
                                                            LiteRtParamIndex,
                                                            LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment,
                                                             const LiteRtRankedTensorType*,
                                                             LiteRtTensorBufferRequirements,
                                                             LiteRtTensorBuffer*);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, std::size_t*);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer, void**, int);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, LiteRtParamIndex, std::size_t,
                                    LiteRtTensorBuffer*, std::size_t, LiteRtTensorBuffer*);
}

namespace {

constexpr int kCpu = 1;  // kLiteRtHwAcceleratorCpu
constexpr int kRead = 0, kWrite = 1;
constexpr int kEnd = 3;  // special_ids.end of signature.json
constexpr float kTolerance = 1e-3f;

[[noreturn]] void Fail(const std::string& reason) { throw std::runtime_error(reason); }

void Check(LiteRtStatus status, const char* what) {
  if (status != 0) Fail(std::string(what) + " failed with status " + std::to_string(status));
}

// An array of golden/, in C order.
struct Array {
  std::string dtype;  // as NumPy writes it: <i4, <f4
  std::vector<std::size_t> shape;
  std::string bytes;

  std::size_t row_bytes() const { return bytes.size() / shape[0]; }
  const char* row(std::size_t index) const { return bytes.data() + index * row_bytes(); }
};

// Reads a .npy file: a magic string, the length of a header, the header, the values.
Array ReadArray(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), {});
  if (content.size() < 10 || content.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0) {
    Fail("Expected a .npy file of version 1 at " + path.string());
  }
  const std::size_t length = static_cast<unsigned char>(content[8]) +
                             256 * static_cast<unsigned char>(content[9]);
  if (content.size() < 10 + length) Fail(path.string() + " is cut off");
  const std::string header = content.substr(10, length);
  Array array;
  const std::size_t dtype = header.find("'descr': '") + 10;
  array.dtype = header.substr(dtype, 3);
  const std::size_t shape = header.find("'shape': (") + 10;
  std::stringstream sizes(header.substr(shape, header.find(')', shape) - shape));
  for (std::string size; std::getline(sizes, size, ',');) {
    if (size.find_first_of("0123456789") != std::string::npos) array.shape.push_back(std::stoul(size));
  }
  array.bytes = content.substr(10 + length);
  if (array.shape.empty() || array.shape[0] == 0) Fail(path.string() + " has no rows");
  return array;
}

std::vector<std::string> ReadLines(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A tensor of the signature: where LiteRT reads or writes it, and what it should be.
struct Tensor {
  std::string name;
  LiteRtTensorBuffer buffer = nullptr;
  Array golden;

  std::string Read() const {
    std::size_t size;
    void* memory;
    Check(LiteRtGetTensorBufferPackedSize(buffer, &size), "LiteRtGetTensorBufferPackedSize");
    Check(LiteRtLockTensorBuffer(buffer, &memory, kRead), "LiteRtLockTensorBuffer");
    std::string bytes(static_cast<const char*>(memory), size);
    Check(LiteRtUnlockTensorBuffer(buffer), "LiteRtUnlockTensorBuffer");
    return bytes;
  }

  void Write(std::size_t row) const {
    std::size_t size;
    void* memory;
    Check(LiteRtGetTensorBufferPackedSize(buffer, &size), "LiteRtGetTensorBufferPackedSize");
    if (size != golden.row_bytes()) Fail("golden/" + name + ".npy has other rows than the model");
    Check(LiteRtLockTensorBuffer(buffer, &memory, kWrite), "LiteRtLockTensorBuffer");
    std::memcpy(memory, golden.row(row), size);
    Check(LiteRtUnlockTensorBuffer(buffer), "LiteRtUnlockTensorBuffer");
  }

  void Compare(std::size_t row, const std::string& actual) const {
    const std::string expected(golden.row(row), golden.row_bytes());
    bool same = actual.size() == expected.size();
    if (same && golden.dtype == "<f4") {
      for (std::size_t at = 0; at < actual.size(); at += sizeof(float)) {
        float mine, theirs;
        std::memcpy(&mine, actual.data() + at, sizeof(float));
        std::memcpy(&theirs, expected.data() + at, sizeof(float));
        same = same && std::abs(mine - theirs) <= kTolerance;  // false for NaN
      }
    } else {
      same = same && actual == expected;
    }
    if (!same) Fail(name + " of golden example " + std::to_string(row) + " is another");
  }
};

std::vector<std::int32_t> Integers(const std::string& bytes) {
  std::vector<std::int32_t> values(bytes.size() / sizeof(std::int32_t));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(std::int32_t));
  return values;
}

// Returns the text of token ids: their pieces, with "▁" read as a blank.
std::string Text(const std::vector<std::int32_t>& ids, const std::vector<std::string>& vocabulary) {
  const std::string blank = "\u2581";
  std::string text;
  for (const std::int32_t id : ids) {
    if (id != kEnd) text += vocabulary.at(id);
  }
  for (std::size_t at; (at = text.find(blank)) != std::string::npos;) {
    text.replace(at, blank.size(), " ");
  }
  return text.substr(text.rfind(' ', 0) == 0 ? 1 : 0);
}

void Run(const std::filesystem::path& folder) {
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtCompiledModel compiled;
  Check(LiteRtCreateEnvironment(0, nullptr, &environment), "LiteRtCreateEnvironment");
  const std::string file = (folder / "model.tflite").string();
  Check(LiteRtCreateModelFromFile(environment, file.c_str(), &model), file.c_str());
  Check(LiteRtCreateOptions(&options), "LiteRtCreateOptions");
  Check(LiteRtSetOptionsHardwareAccelerators(options, kCpu), "LiteRtSetOptionsHardwareAccelerators");
  Check(LiteRtCreateCompiledModel(environment, model, options, &compiled),
        "LiteRtCreateCompiledModel");

  // The signature that answers: `generate` of a model that writes text, `predict` of others.
  LiteRtParamIndex count, main = 0;
  LiteRtSignature signature = nullptr;
  Check(LiteRtGetNumModelSignatures(model, &count), "LiteRtGetNumModelSignatures");
  for (LiteRtParamIndex index = 0; index < count; ++index) {
    LiteRtSignature candidate;
    const char* key;
    Check(LiteRtGetModelSignature(model, index, &candidate), "LiteRtGetModelSignature");
    Check(LiteRtGetSignatureKey(candidate, &key), "LiteRtGetSignatureKey");
    if (std::string(key) == "generate" || std::string(key) == "predict") {
      signature = candidate;
      main = index;
    }
  }
  if (signature == nullptr) Fail(file + " has no signature generate or predict");

  std::vector<Tensor> inputs, outputs;
  const auto add = [&](std::vector<Tensor>* tensors, const char* name, LiteRtTensor tensor,
                       LiteRtTensorBufferRequirements requirements) {
    LiteRtRankedTensorType type;
    Tensor added{name, nullptr, ReadArray(folder / "golden" / (std::string(name) + ".npy"))};
    Check(LiteRtGetRankedTensorType(tensor, &type), "LiteRtGetRankedTensorType");
    Check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, requirements,
                                                          &added.buffer),
          "LiteRtCreateManagedTensorBufferFromRequirements");
    tensors->push_back(added);
  };
  const char* name;
  LiteRtTensor tensor;
  LiteRtTensorBufferRequirements requirements;
  Check(LiteRtGetNumSignatureInputs(signature, &count), "LiteRtGetNumSignatureInputs");
  for (LiteRtParamIndex index = 0; index < count; ++index) {
    Check(LiteRtGetSignatureInputName(signature, index, &name), "LiteRtGetSignatureInputName");
    Check(LiteRtGetSignatureInputTensorByIndex(signature, index, &tensor), name);
    Check(LiteRtGetCompiledModelInputBufferRequirements(compiled, main, index, &requirements), name);
    add(&inputs, name, tensor, requirements);
  }
  Check(LiteRtGetNumSignatureOutputs(signature, &count), "LiteRtGetNumSignatureOutputs");
  for (LiteRtParamIndex index = 0; index < count; ++index) {
    Check(LiteRtGetSignatureOutputName(signature, index, &name), "LiteRtGetSignatureOutputName");
    Check(LiteRtGetSignatureOutputTensorByIndex(signature, index, &tensor), name);
    Check(LiteRtGetCompiledModelOutputBufferRequirements(compiled, main, index, &requirements),
          name);
    add(&outputs, name, tensor, requirements);
  }

  const auto buffers = [](const std::vector<Tensor>& tensors) {
    std::vector<LiteRtTensorBuffer> found;
    for (const Tensor& each : tensors) found.push_back(each.buffer);
    return found;
  };
  std::vector<LiteRtTensorBuffer> given = buffers(inputs), taken = buffers(outputs);
  const std::vector<std::string> vocabulary = ReadLines(folder / "vocabulary.txt");
  const std::size_t rows = inputs.at(0).golden.shape[0];
  for (std::size_t row = 0; row < rows; ++row) {
    for (const Tensor& input : inputs) input.Write(row);
    Check(LiteRtRunCompiledModel(compiled, main, given.size(), given.data(), taken.size(),
                                 taken.data()),
          "LiteRtRunCompiledModel");
    std::vector<std::int32_t> ids;
    std::size_t length = 0;
    for (const Tensor& output : outputs) {
      const std::string bytes = output.Read();
      output.Compare(row, bytes);
      if (output.name == "tokens" || output.name == "answer") ids = Integers(bytes);
      if (output.name == "answer") length = 1;
      if (output.name == "lengths") length = Integers(bytes).at(0);
    }
    if (!ids.empty()) {
      ids.resize(length);
      std::cout << Text(ids, vocabulary) << '\n';
    }
  }
  std::cout << rows << " golden examples are right\n";

  for (LiteRtTensorBuffer buffer : given) LiteRtDestroyTensorBuffer(buffer);
  for (LiteRtTensorBuffer buffer : taken) LiteRtDestroyTensorBuffer(buffer);
  LiteRtDestroyCompiledModel(compiled);
  LiteRtDestroyOptions(options);
  LiteRtDestroyModel(model);
  LiteRtDestroyEnvironment(environment);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: run_bundle FOLDER\n";
    return 2;
  }
  try {
    Run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "Error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
